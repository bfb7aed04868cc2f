import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { traceRpc } from './rpc.hook.js';

/** {@link traceRpc} for Nest 11. Guards run before interceptors, so their lines have no trace there. */
@Injectable()
export class RpcTraceInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return traceRpc(context, () => next.handle());
  }
}
