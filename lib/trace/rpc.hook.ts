import type { ExecutionContext } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { Observable } from 'rxjs';
import { extractTrace } from './carrier.js';
import { rpcHeaders } from './rpc.carrier.js';
import { TraceStore, currentStore, runInStore } from './trace-store.js';

/** Whether this Nest has pre-request hooks (12.0.2 and later), which run before guards; Nest 11 has interceptors. */
export function hasPreRequestHooks(): boolean {
  return 'registerPreRequestHook' in ApplicationConfig.prototype;
}

/**
 * Runs a message handler in its trace, for the transports that are not gRPC. A trace that runs already (gRPC's
 * interceptor, a hybrid application) is kept.
 */
export function traceRpc(context: ExecutionContext, next: () => Observable<unknown>): Observable<unknown> {
  if (context.getType() !== 'rpc' || currentStore() !== undefined) return next();
  const store = new TraceStore(extractTrace(rpcHeaders(context.switchToRpc().getContext())));
  // Subscribed in the store: guards, pipes and the handler run when Nest subscribes, not before.
  return new Observable((subscriber) => runInStore(store, () => next().subscribe(subscriber)));
}
