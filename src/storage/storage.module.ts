import { Module } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HealthRegistry } from '../common/health.js';
import { AudioStore } from './audio-store.js';
import { GridFsAudioStore } from './gridfs.audio-store.js';

@Module({
  providers: [{ provide: AudioStore, useClass: GridFsAudioStore }],
  exports: [AudioStore],
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
