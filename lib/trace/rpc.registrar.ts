import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { traceRpc } from './rpc.hook.js';

/**
 * Registers {@link traceRpc} as a pre-request hook. When it is made the handlers are not bound yet. A hybrid
 * application must be connected with `{ inheritAppConfig: true }`, as for all of its global parts.
 */
@Injectable()
export class RpcTraceRegistrar {
  constructor(@Inject(ApplicationConfig) config: ApplicationConfig) {
    config.registerPreRequestHook(traceRpc);
  }
}
