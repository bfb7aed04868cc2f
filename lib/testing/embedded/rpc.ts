import { type handleUnaryCall, type Metadata, type ServerErrorResponse, status } from '@grpc/grpc-js';
import { EtcdStatus } from './etcd-status.js';

/** The gRPC answer for anything thrown while a call was served. */
export function asServerError(error: unknown): ServerErrorResponse {
  if (error instanceof EtcdStatus) {
    return Object.assign(new Error(error.details), { code: error.code, details: error.details });
  }
  const details = error instanceof Error ? error.message : String(error);
  return Object.assign(new Error(details), { code: status.UNKNOWN, details });
}

/** Makes a handler of a plain function from request to response that throws what it refuses. */
export function unary<Request, Response>(
  answer: (request: Request, metadata: Metadata) => Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    let response: Response;
    try {
      response = answer(call.request, call.metadata);
    } catch (error) {
      callback(asServerError(error));
      return;
    }
    callback(null, response);
  };
}
