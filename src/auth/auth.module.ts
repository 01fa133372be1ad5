import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Config } from '../config/config.js';
import { JwtGuard } from './jwt.guard.js';
import { JwtKeys } from './jwt-keys.js';
import { TokenVerifier } from './token.verifier.js';

/** Guards every route of the application it is imported into. Import it before modules with guards that need the user. */
@Global()
@Module({
  providers: [
    { provide: JwtKeys, useFactory: (config: Config) => JwtKeys.load(config), inject: [Config] },
    TokenVerifier,
    { provide: APP_GUARD, useClass: JwtGuard },
  ],
  exports: [TokenVerifier],
})
export class AuthModule {}
