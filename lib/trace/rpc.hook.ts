import { type ExecutionContext, Logger } from '@nestjs/common';
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
  const carrier: unknown = context.switchToRpc().getContext();
  if (isGrpc(context, carrier)) warnUnwrapped();
  const store = new TraceStore(extractTrace(rpcHeaders(carrier)));
  // Subscribed in the store: guards, pipes and the handler run when Nest subscribes, not before.
  return new Observable((subscriber) => runInStore(store, () => next().subscribe(subscriber)));
}

/** A gRPC handler gets the call as its third argument and the metadata as its context. */
function isGrpc(context: ExecutionContext, carrier: unknown): boolean {
  return (
    typeof carrier === 'object' && carrier !== null && 'getMap' in carrier && context.getArgs().length > 2
  );
}

const WARNED = Symbol.for('im-infra:warned-grpc-trace');

function warnUnwrapped(): void {
  const state = globalThis as { [WARNED]?: boolean };
  if (state[WARNED] === true) return;
  state[WARNED] = true;
  new Logger('ClogModule').warn(
    'gRPC handlers run without withGrpcTrace(): wrap the options given to connectMicroservice() or ' +
      'createMicroservice(), else the messages of streams have no trace',
  );
}
