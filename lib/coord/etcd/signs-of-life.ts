import type { Clock } from './clock.js';
import { RpcFailure } from './rpc-failure.js';

/** Whoever waits for less, in ms, cannot tell a slow link from a dead one. */
const SILENCE = 1_000;
/** How long a member may take to prove that it is still of use, in ms: longer than an election usually takes. */
const PROOF_LIMIT = 2_000;

interface Member {
  readonly clock: Clock;
  /** Asks for an answer that needs nobody but this member. */
  ask(timeout: number): Promise<unknown>;
  /** Asks for an answer that needs the quorum. */
  prove(timeout: number): Promise<unknown>;
  drop(reason: unknown): void;
}

/**
 * Tells a connection that is dead from one that is slow, or asked by somebody who does not wait. All that is heard on it
 * counts, whoever it was meant for. One caller's short limit is no verdict over the calls and watches of the others: it
 * only makes us ask.
 */
export class SignsOfLife {
  readonly #member: Member;
  #last = -Infinity;
  #asked = -Infinity;
  #asking = false;
  #proving = false;

  constructor(member: Member) {
    this.#member = member;
  }

  /** When the other side was last heard of, on the monotonic clock. */
  get last(): number {
    return this.#last;
  }

  heard(): void {
    this.#last = this.#member.clock.now();
  }

  /**
   * Somebody waits for the answer to what was sent at `sent`: makes the other side heard of before that is judged, and shows
   * whether it still has a leader. Once in `silence` ms, whoever waits.
   */
  waiting(sent: number, silence = SILENCE): void {
    const now = this.#member.clock.now();
    if (this.#asking || now - Math.max(sent, this.#asked) < silence) return;
    this.#asked = now;
    this.#asking = true;
    const over = (): void => {
      this.#asking = false;
    };
    this.#member.ask(SILENCE).then(over, (error: unknown) => {
      over();
      // Silence is judged by those who wait, each by its own patience.
      if (error instanceof RpcFailure && error.doubt && !error.late) this.#member.drop(error);
    });
  }

  /**
   * What was sent at `sent` is not waited for any more. Returns whether the connection is dead: nothing at all was heard of it
   * since, for `silence` ms at least. Where that is not clear the member has to prove itself, and is left if it cannot.
   */
  givenUp(sent: number, silence = SILENCE): boolean {
    if (this.#last < sent && this.#waited(sent) >= silence) return true;
    if (this.#proving) return false;
    this.#proving = true;
    const over = (): void => {
      this.#proving = false;
    };
    this.#member.prove(PROOF_LIMIT).then(over, (error: unknown) => {
      over();
      if (error instanceof RpcFailure && (error.doubt || error.late)) this.#member.drop(error);
    });
    return false;
  }

  #waited(sent: number): number {
    return this.#member.clock.now() - sent;
  }
}
