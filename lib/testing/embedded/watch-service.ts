import { type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { EtcdStatus } from './etcd-status.js';
import { type WatchCreateRequest, type WatchRequest, type WatchResponse } from './messages.js';
import { type ServerState } from './server-state.js';
import { WatchStream } from './watch-stream.js';
import { watchSpan } from './watcher.js';

/** etcd's Watch service. Open streams are added to `streams`, ended ones leave it. */
export function watchService(state: ServerState, streams: Set<WatchStream>): UntypedServiceImplementation {
  return {
    Watch: (call: ServerDuplexStream<WatchRequest, WatchResponse>): void => {
      const refuses = (request: WatchCreateRequest): string | undefined => {
        try {
          state.auth.check(state.caller(call.metadata), 'read', watchSpan(request));
          return undefined;
        } catch (error) {
          if (error instanceof EtcdStatus) return refusal(error);
          throw error;
        }
      };
      const stream = new WatchStream({
        store: state.store,
        header: (revision) => state.header(revision),
        send: (response) => call.write(response),
        refuses,
      });
      streams.add(stream);
      const close = (): void => {
        streams.delete(stream);
        stream.close();
      };
      call.on('data', (request: WatchRequest) => stream.handle(request));
      call.on('drain', () => stream.drained());
      call.on('cancelled', close);
      call.on('error', close);
      call.on('close', close);
      call.on('end', () => {
        close();
        call.end();
      });
    },
  };
}

const GO_NAMES: ReadonlyMap<status, string> = new Map([
  [status.UNAUTHENTICATED, 'Unauthenticated'],
  [status.PERMISSION_DENIED, 'PermissionDenied'],
  [status.INVALID_ARGUMENT, 'InvalidArgument'],
]);

/** In a cancel reason etcd prints its errors as Go does. */
function refusal({ code, details }: EtcdStatus): string {
  const name = GO_NAMES.get(code) ?? 'Unknown';
  return `rpc error: code = ${name} desc = ${details}`;
}
