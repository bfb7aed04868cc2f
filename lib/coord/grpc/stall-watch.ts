import { Client, connectivityState, credentials, status } from '@grpc/grpc-js';
import type { Clock } from '../etcd/clock.js';
import type { Backend } from './backend.js';

/** How often the watch looks, in ms. A look that comes this much late was held up by our own process. */
const INTERVAL = 100;
const HELD_UP = 250;

/** How long a peer may take to answer, in ms: asked 250 to 350 ms after the last sign of life, it is out within 0.8 s. */
const ANSWER_LIMIT = 450;

/** When a peer has kept silent for this long, in ms, another one is asked: is it the peer that hangs, or are we deaf? */
const CONTROL_AFTER = 150;

/**
 * Any answer will do, and nobody has this method: the core of the server answers UNIMPLEMENTED, so that it is the process
 * that is asked and no handler of the application, which may be slow for reasons of its own.
 */
const QUESTION = '/im_infra.Liveness/Ask';
const EMPTY = Buffer.alloc(0);

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
  #controls = 0;

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
    const now = this.#clock.now();
    for (const backend of this.#backends()) {
      const { liveness } = backend;
      const { askedAt = now } = liveness;
      if (heldUp) liveness.excuse();
      else if (liveness.due) this.#ask(backend);
      else if (now - askedAt >= CONTROL_AFTER && !this.#othersLive(backend, askedAt)) this.#control(backend);
      watched ||= liveness.watched;
    }
    if (watched) this.wake();
  }

  #ask(backend: Backend): void {
    const { liveness } = backend;
    const since = this.#clock.now();
    const sent = this.#send(backend, (answer) => {
      if (answer === 'late') liveness.missed(this.#othersLive(backend, since));
      else if (answer === 'lost') liveness.forgo();
      else liveness.answered();
    });
    if (sent) liveness.asked();
  }

  /** Looks for a sign of life of somebody else, each time of another one: a call that is answered there, or a connection. */
  #control(backend: Backend): void {
    const others = [...this.#backends()].filter((each) => each !== backend);
    const reachable = others.filter(({ channel }) => channel !== undefined);
    const other = reachable[this.#controls++ % reachable.length];
    if (other === undefined) others.find(({ state }) => state === connectivityState.IDLE)?.connect();
    else {
      this.#send(other, (answer) => {
        if (answer === 'answered') other.liveness.seen();
      });
    }
  }

  /** Returns whether there is a connection to send it over. */
  #send({ channel }: Backend, done: (answer: 'answered' | 'late' | 'lost') => void): boolean {
    if (channel === undefined) return false;
    const client = new Client('', credentials.createInsecure(), { channelOverride: channel });
    const bytes = (): Buffer => EMPTY;
    const options = { deadline: Date.now() + ANSWER_LIMIT };
    client.makeUnaryRequest(QUESTION, bytes, bytes, EMPTY, options, (error) => {
      if (error?.code === status.DEADLINE_EXCEEDED) done('late');
      else done(error?.code === status.UNAVAILABLE ? 'lost' : 'answered');
    });
    return true;
  }

  #othersLive(backend: Backend, since: number): boolean {
    for (const other of this.#backends()) {
      if (other !== backend && other.liveness.lastSign > since) return true;
    }
    return false;
  }
}
