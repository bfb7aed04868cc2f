import { LockLostError } from '../../errors/lock-lost.error.js';
import type { Compare } from '../etcd/kv.js';
import type { WorkedLock } from './hold.js';

/** A lock taken again by the task that holds it: everything is the outer lock's; its release gives nothing away. */
export class ReentrantLock implements WorkedLock {
  readonly #outer: WorkedLock;
  #released = false;

  constructor(outer: WorkedLock) {
    this.#outer = outer;
  }

  get key(): string {
    return this.#outer.key;
  }

  get keys(): readonly string[] {
    return this.#outer.keys;
  }

  get fencingToken(): bigint {
    return this.#outer.fencingToken;
  }

  get signal(): AbortSignal {
    return this.#outer.signal;
  }

  /** That of the outer lock, also once that was released under work that goes on. */
  get loss(): LockLostError | undefined {
    const { loss, isReleased } = this.#outer;
    return loss ?? (isReleased && !this.#released ? this.#releasedError() : undefined);
  }

  get isReleased(): boolean {
    return this.#released;
  }

  isHeld(): boolean {
    return !this.#released && this.#outer.isHeld();
  }

  assertHeld(): void {
    this.#outer.assertHeld();
    if (this.#released) throw this.#releasedError();
  }

  ttl(): Promise<number> {
    return this.#released ? Promise.resolve(0) : this.#outer.ttl();
  }

  guard(): readonly Compare[] {
    return this.#outer.guard();
  }

  /** The close waits for what runs under the outer lock, and that waits for this. */
  during<T>(work: Promise<T>): Promise<T> {
    return work;
  }

  leave(): Promise<undefined> {
    this.#released = true;
    return Promise.resolve(undefined);
  }

  async release(): Promise<void> {
    await this.leave();
  }

  unlock(): Promise<void> {
    return this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #releasedError(): LockLostError {
    return new LockLostError(`the lock "${this.key}" is not held any more: it was released`);
  }
}
