import { withoutStacks } from './stackless.js';

/**
 * One call's handle on the wire. It travels in the call options under {@link CALL} to the interceptor, which is the one
 * place where grpc-js shows the running call: etcd3's promises cannot be cancelled, and grpc-js keeps deadlines on the
 * wall clock.
 */
export class CallControl {
  #cancelled: string | undefined;
  #cancel: ((reason: string) => void) | undefined;

  /** Ends the call with status CANCELLED and this reason; before it started, it ends as soon as it does. */
  cancel(reason: string): void {
    this.#cancelled ??= reason;
    this.#cancel?.(reason);
  }

  started(cancel: (reason: string) => void): void {
    this.#cancel = cancel;
    if (this.#cancelled !== undefined) cancel(this.#cancelled);
  }
}

export const CALL = 'im-infra.call';

interface Metadata {
  set(key: string, value: string): void;
}
interface Status {
  code: number;
  details: string;
  metadata: unknown;
}
interface Listener {
  onReceiveMetadata?(metadata: unknown): void;
  onReceiveMessage?(message: unknown): void;
  onReceiveStatus?(status: Status): void;
}
/** What grpc-js hands to a client interceptor, as far as we use it; by shape, since only the gRPC rooms import grpc-js. */
interface Call {
  start(metadata: Metadata, listener?: Listener): void;
  cancelWithStatus(status: number, details: string): void;
}
type Interceptor = (
  options: Record<string, unknown>,
  next: (options: Record<string, unknown>) => Call,
) => Call;

const CANCELLED = 1;

/**
 * The interceptor of a generation's calls: adds `hasleader` (a member cut off from its quorum then refuses and ends
 * streams instead of staying silent) and the token of this generation, and gives each call its control.
 *
 * An answer "invalid auth token" loses its `etcdserver:` prefix: etcd3 knows the error by it and would repeat the call
 * with the same token for ever.
 */
export function callInterceptor(token: () => string | undefined): Interceptor {
  return (options, next) => {
    const call = next(options);
    const start = call.start.bind(call);
    const control = options[CALL] as CallControl | undefined;
    // Between here and the start grpc-js makes an error, for where the call comes from.
    const withStacks = withoutStacks();
    call.start = (metadata, listener) => {
      withStacks();
      metadata.set('hasleader', 'true');
      const value = token();
      if (value !== undefined) metadata.set('token', value);
      start(metadata, {
        onReceiveMetadata: (received) => listener?.onReceiveMetadata?.(received),
        onReceiveMessage: (message) => listener?.onReceiveMessage?.(message),
        onReceiveStatus: (status) =>
          listener?.onReceiveStatus?.({
            ...status,
            details: status.details.replace('etcdserver: invalid auth token', 'invalid auth token'),
          }),
      });
      control?.started((reason) => call.cancelWithStatus(CANCELLED, reason));
    };
    return call;
  };
}
