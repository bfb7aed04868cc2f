import type { IOptions } from 'etcd3';
import { CALL, CallControl, type WireOptions } from './call-control.js';
import { statusError, UNAUTHENTICATED } from './grpc-status.js';
import type { Clock } from './clock.js';
import type { Endpoint } from './endpoint.js';
import type { EtcdOptions } from './etcd.options.js';
import { onAbort } from './on-abort.js';
import { afterSilence } from './patience.js';
import { Rpc } from './rpc.js';
import { noAnswerWithin, RpcFailure } from './rpc-failure.js';
import { SignsOfLife } from './signs-of-life.js';

let generations = 0;

/**
 * One client to one endpoint. It and every call and stream on it live and die together: the first doubt about one of
 * them (no answer in time, a missed probe) ends all, and the next generation dials anew. A refused token ends it as well,
 * but for the calls that are on their way.
 */
export class Generation {
  /** Aborts when this generation is dropped; the reason says why. */
  readonly signal: AbortSignal;
  /** Whoever hears from the other side, or waits for it in vain, says so here. */
  readonly life: SignsOfLife;
  clusterId = 0n;
  serverVersion = '';

  readonly #rpc: Rpc;
  readonly #abort = new AbortController();
  readonly #calls = new Set<CallControl>();
  readonly #streams = new Set<CallControl>();
  #dropped = false;
  #closed = false;
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  #stopListening: (() => void) | undefined;
  /** There is a user, and etcd had no use for one when this was opened. */
  #tokenless = false;

  private constructor(
    readonly endpoint: Endpoint,
    rpc: Rpc,
    clock: Clock,
    closing: AbortSignal,
  ) {
    this.#rpc = rpc;
    this.signal = this.#abort.signal;
    this.#clock = clock;
    this.#closing = closing;
    this.life = new SignsOfLife({
      clock,
      ask: (timeout) => this.#identify(timeout, this.signal),
      prove: (timeout) => this.probe(timeout, this.signal),
      drop: (reason) => this.drop(reason),
    });
  }

  /** Whether {@link signal} has aborted, which a thousand watches ask at once; the signal itself takes its time to say. */
  get dropped(): boolean {
    return this.#dropped;
  }

  /**
   * Dials `endpoint`, authenticates where a user is given, and asks for one linearizable read: only a member that can
   * reach its quorum is worth being connected to. Rejects with an {@link RpcFailure} within `timeout` ms.
   */
  static async open(
    endpoint: Endpoint,
    options: EtcdOptions,
    deps: { readonly clock: Clock; readonly timeout: number; readonly signal: AbortSignal },
  ): Promise<Generation> {
    const rpc = await Rpc.create(rpcOptions(endpoint, options));
    const generation = new Generation(endpoint, rpc, deps.clock, deps.signal);
    const end = deps.clock.now() + deps.timeout;
    const left = (): number => Math.max(1, end - deps.clock.now());
    try {
      if (options.username !== undefined) await generation.#authenticate(options, left(), deps.signal);
      await Promise.all([generation.#identify(left(), deps.signal), generation.probe(left(), deps.signal)]);
      return generation;
    } catch (error) {
      generation.drop(error);
      throw error;
    }
  }

  /**
   * Runs one unary call; rejects with an {@link RpcFailure} after `timeout` ms, on `signal`, or when this is dropped. That it
   * took too long puts the whole in doubt only if {@link life} says so.
   */
  async unary<T>(
    run: (rpc: Rpc, options: WireOptions) => Promise<T>,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<T> {
    const control = new CallControl();
    const sent = this.#clock.now();
    const cancelTimer = afterSilence(
      this.#clock,
      timeout,
      () => control.cancel(noAnswerWithin(timeout)),
      () => this.life.waiting(sent),
    );
    const giveUp = (): void => control.cancel('the caller gave up');
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted) giveUp();
    this.#calls.add(control);
    if (this.#dropped) control.cancel('No connection established');
    try {
      const answer = await run(this.#rpc, { [CALL]: control });
      this.life.heard();
      return answer;
    } catch (error) {
      throw this.#failure(error, sent, signal);
    } finally {
      cancelTimer();
      signal?.removeEventListener('abort', giveUp);
      if (this.#calls.delete(control) && this.#dropped) this.#closeIfIdle();
    }
  }

  /** A stream that ends with this generation, opened by `open`. */
  stream<T>(open: (rpc: Rpc, control: CallControl) => T): T {
    const control = new CallControl();
    this.#streams.add(control);
    if (this.#dropped) control.cancel('No connection established');
    return open(this.#rpc, control);
  }

  /** One linearizable read of a key that need not exist: proves connection, quorum and token. */
  async probe(timeout: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.unary(
        (rpc, options) => rpc.range({ key: 'health', keysOnly: true, limit: 1 }, options),
        timeout,
        signal,
      );
    } catch (error) {
      // A user who may not read this key has been answered all the same.
      if (!(error instanceof RpcFailure && error.reason.includes('permission denied'))) throw error;
    }
  }

  /**
   * Ends every call and stream at once. Where etcd only refuses the token, the calls that are on their way get their own
   * answers: a write that is cut off there would be in doubt without need. Idempotent.
   */
  drop(reason: unknown): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#abort.abort(reason);
    this.#cancel(this.#streams);
    if (!(reason instanceof RpcFailure && reason.ofToken)) this.#cancel(this.#calls);
    else if (this.#calls.size > 0) {
      this.#stopListening = onAbort(this.#closing, () => {
        this.#cancel(this.#calls);
        this.#closeIfIdle();
      });
    }
    this.#closeIfIdle();
  }

  #cancel(controls: Set<CallControl>): void {
    // Not the reason itself: what ended another call says nothing of whether this one ran.
    for (const control of controls) control.cancel(`the connection to ${this.endpoint.address} was dropped`);
    controls.clear();
  }

  #closeIfIdle(): void {
    if (this.#closed || this.#calls.size > 0) return;
    this.#closed = true;
    this.#stopListening?.();
    this.#rpc.close();
  }

  #failure(error: unknown, sent: number, signal: AbortSignal | undefined): RpcFailure {
    if (signal?.aborted) return new RpcFailure(error, false);
    let failure = new RpcFailure(error);
    if (this.#tokenless && failure.reason.includes('user name is empty')) {
      failure = new RpcFailure(
        statusError(UNAUTHENTICATED, 'invalid auth token: none, as authentication was not enabled before'),
      );
    }
    if (failure.late && !this.#dropped) return new RpcFailure(error, this.life.givenUp(sent));
    if (!failure.doubt) this.life.heard();
    return failure;
  }

  async #authenticate(options: EtcdOptions, timeout: number, signal: AbortSignal): Promise<void> {
    const name = options.username!;
    const password = options.password ?? '';
    try {
      const answer = await this.unary(
        (rpc, wire) => rpc.auth.authenticate({ name, password }, wire),
        timeout,
        signal,
      );
      this.#rpc.authenticateWith(answer.token);
    } catch (error) {
      // A cluster without authentication answers everybody: a user name too many does no harm there.
      if (!(error instanceof RpcFailure && error.reason.includes('authentication is not enabled')))
        throw error;
      this.#tokenless = true;
    }
  }

  async #identify(timeout: number, signal: AbortSignal): Promise<void> {
    const status = await this.unary((rpc, options) => rpc.maintenance.status(options), timeout, signal);
    this.clusterId = BigInt(status.header.cluster_id);
    this.serverVersion = status.version;
  }
}

function rpcOptions(endpoint: Endpoint, options: EtcdOptions): IOptions & { readonly hosts: string } {
  return {
    hosts: `${endpoint.secure ? 'https' : 'http'}://${endpoint.address}`,
    ...(options.tls && { credentials: credentials(options.tls) }),
    grpcOptions: {
      // grpc-js shares connections between channels of equal arguments: this one makes ours equal to no other's,
      // so that a dead connection is never handed back.
      'im-infra.generation': ++generations,
      'grpc.keepalive_time_ms': options.keepAliveTime,
      'grpc.keepalive_timeout_ms': options.keepAliveTimeout,
      // etcd ends connections that ping without a stream; the watch hub asks for signs of life there.
      'grpc.keepalive_permit_without_calls': 0,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.enable_http_proxy': 0,
      // Channels do not see our calls, and would leave the connection after half an hour: not before a timer's longest.
      'grpc.client_idle_timeout_ms': 2 ** 31 - 1,
    },
  };
}

function credentials(tls: NonNullable<EtcdOptions['tls']>): NonNullable<IOptions['credentials']> {
  return {
    // Without a root, grpc-js trusts the system's; etcd3's type asks for one.
    rootCertificate: tls.ca as Buffer,
    ...(tls.key && { privateKey: tls.key }),
    ...(tls.cert && { certChain: tls.cert }),
  };
}
