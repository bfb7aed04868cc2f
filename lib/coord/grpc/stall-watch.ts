import { Client, credentials, status } from '@grpc/grpc-js';
import type { Clock } from '../etcd/clock.js';
import type { Backend } from './backend.js';
import { decodeResponse, encodeRequest } from './health-message.js';

/** How often the watch looks, in ms. A look that comes this much late was held up by our own process. */
const INTERVAL = 100;
const HELD_UP = 250;

/** How long a peer may take to answer, in ms: asked 250 to 350 ms after the last sign of life, it is out within 0.8 s. */
const ANSWER_LIMIT = 450;

/** Any answer will do, also "no such method": it is the process that is asked, not its health service. */
const QUESTION = '/grpc.health.v1.Health/Check';

/**
 * Finds peers that hang: connected, with calls under way, and silent (SIGSTOP, a dead lock, a cut line). Such a peer gets no
 * new calls until it answers again, but its connection and the calls on it are left alone: it may be slow and not dead.
 * HTTP/2's keep-alive, with a longer limit, ends what is dead.
 */
export class StallWatch {
  readonly #clock: Clock;
  readonly #backends: () => Iterable<Backend>;
  #cancel: (() => void) | undefined;
  #expected = 0;

  constructor(clock: Clock, backends: () => Iterable<Backend>) {
    this.#clock = clock;
    this.#backends = backends;
  }

  /** Begins to look, until no call is under way. */
  wake(): void {
    if (this.#cancel !== undefined) return;
    this.#expected = this.#clock.now() + INTERVAL;
    this.#cancel = this.#clock.after(INTERVAL, () => this.#look());
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    const heldUp = this.#clock.now() - this.#expected > HELD_UP;
    let watched = false;
    for (const backend of this.#backends()) {
      const { liveness } = backend;
      if (heldUp) liveness.excuse();
      else if (liveness.due) this.#ask(backend);
      watched ||= liveness.watched;
    }
    if (watched) this.wake();
  }

  #ask(backend: Backend): void {
    const { liveness, channel } = backend;
    if (channel === undefined) return;
    const since = this.#clock.now();
    liveness.asked();
    const client = new Client('', credentials.createInsecure(), { channelOverride: channel });
    const deadline = Date.now() + ANSWER_LIMIT;
    client.makeUnaryRequest(QUESTION, encodeRequest, decodeResponse, '', { deadline }, (error) => {
      if (error && (error.code === status.DEADLINE_EXCEEDED || error.code === status.UNAVAILABLE)) {
        liveness.missed(this.#othersLive(backend, since));
      } else liveness.answered();
    });
  }

  #othersLive(backend: Backend, since: number): boolean {
    for (const other of this.#backends()) {
      if (other !== backend && other.liveness.lastSign > since) return true;
    }
    return false;
  }
}
