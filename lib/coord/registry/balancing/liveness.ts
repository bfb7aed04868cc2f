import type { Clock } from '../../etcd/clock.js';

/** How long calls may be under way without any of them ending before the peer is asked for a sign of life, in ms. */
const FIRST_PATIENCE = 250;

/** A peer that is busy with long calls or streams only, and answers when asked, is asked ever more seldom, up to this, in ms. */
const LONGEST_PATIENCE = 2_000;

/**
 * Whether one peer still lives, judged by the calls it ends and by the answers to questions: it is asked only while calls
 * are under way and none has ended for a while.
 */
export class Liveness {
  readonly #clock: Clock;
  readonly #changed: () => void;
  #inFlight = 0;
  #patience = FIRST_PATIENCE;
  #askAt = Infinity;
  #askedAt: number | undefined;
  #lastSign: number;
  #stalled = false;

  /** @param changed called when the peer has stalled, or come back: by an answer to a question or by a call that ends */
  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
    this.#lastSign = clock.now();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** When it was last known to live, on the clock. */
  get lastSign(): number {
    return this.#lastSign;
  }

  /** It did not answer when it was asked, while others did. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Whether it is time to ask it: one question at a time. */
  get due(): boolean {
    return this.#askedAt === undefined && this.#clock.now() >= this.#askAt;
  }

  /** When it was asked what it has not answered yet. */
  get askedAt(): number | undefined {
    return this.#askedAt;
  }

  /** Somebody watches over it: calls are under way, or it is stalled. */
  get watched(): boolean {
    return this.#inFlight > 0 || this.#stalled;
  }

  /** A call starts. */
  begin(): void {
    if (!this.watched) this.#askAt = Infinity;
    this.#inFlight++;
    this.#patience = FIRST_PATIENCE;
    this.#askAt = Math.min(this.#askAt, this.#clock.now() + FIRST_PATIENCE);
  }

  /** A call has ended with an answer, or for want of one. */
  end(answered: boolean): void {
    this.#inFlight--;
    if (!answered) return;
    const now = this.#clock.now();
    this.#lastSign = now;
    this.#askAt = this.#inFlight > 0 ? now + FIRST_PATIENCE : Infinity;
    this.#turn(false);
  }

  /** A question is on its way: until it is settled there is no other. */
  asked(): void {
    this.#askedAt = this.#clock.now();
  }

  /** It answered. */
  answered(): void {
    const now = this.#clock.now();
    this.#askedAt = undefined;
    this.#lastSign = now;
    this.#patience = Math.min(LONGEST_PATIENCE, 2 * this.#patience);
    this.#askAt = this.#inFlight > 0 ? now + this.#patience : Infinity;
    this.#turn(false);
  }

  /**
   * It did not answer; a call that it ended since it was asked is an answer all the same.
   *
   * @param others whether others gave signs of life meanwhile: else it may be our own fault
   */
  missed(others: boolean): void {
    const alive = this.#askedAt !== undefined && this.#lastSign > this.#askedAt;
    this.forgo();
    if (others && !alive) this.#turn(true);
  }

  /** The question was lost with its connection, which says nothing. */
  forgo(): void {
    this.#askedAt = undefined;
    this.#askAt = this.#clock.now() + FIRST_PATIENCE;
  }

  /** It gave a sign of life that nobody waited for. */
  seen(): void {
    this.#lastSign = this.#clock.now();
  }

  /** We were not able to listen for a while: silence in that time means nothing. */
  excuse(): void {
    if (this.#inFlight > 0) this.#askAt = Math.max(this.#askAt, this.#clock.now() + FIRST_PATIENCE);
  }

  #turn(stalled: boolean): void {
    if (this.#stalled === stalled) return;
    this.#stalled = stalled;
    this.#changed();
  }
}
