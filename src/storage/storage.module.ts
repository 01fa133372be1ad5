import { Module } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { getConnectionToken } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
import { HealthRegistry } from '../common/health.js';
import { Archives } from './archives.js';
import { AudioStore } from './audio-store.js';
import { GridFsAudioStore } from './gridfs.audio-store.js';

@Module({
  providers: [
    {
      provide: AudioStore,
      useFactory: (connection: Connection) => new GridFsAudioStore(connection),
      inject: [getConnectionToken()],
    },
    Archives,
  ],
  exports: [AudioStore, Archives],
})
export class StorageModule implements OnModuleInit {
  constructor(
    private readonly store: AudioStore,
    private readonly health: HealthRegistry,
  ) {}

  onModuleInit(): void {
    this.health.register('store', () => this.store.check());
  }
}
