import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { traceRpc } from './rpc.hook.js';

/** What Nest 12 adds to ApplicationConfig; named here so that this compiles against Nest 11 too. */
interface PreRequestHooks {
  registerPreRequestHook(hook: typeof traceRpc): void;
}

/**
 * Registers {@link traceRpc} as a pre-request hook. When it is made the handlers are not bound yet. A hybrid
 * application must be connected with `{ inheritAppConfig: true }`, as for all of its global parts.
 */
@Injectable()
export class RpcTraceRegistrar {
  constructor(@Inject(ApplicationConfig) config: PreRequestHooks) {
    config.registerPreRequestHook(traceRpc);
  }
}
