import type { Compare } from '../etcd/kv.js';
import type { Lock } from './lock.js';

/** A lock taken again by the task that holds it: everything is the outer lock's; its release gives nothing away. */
export class ReentrantLock implements Lock {
  readonly #outer: Lock;
  #released = false;

  constructor(outer: Lock) {
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

  isHeld(): boolean {
    return !this.#released && this.#outer.isHeld();
  }

  assertHeld(): void {
    this.#outer.assertHeld();
  }

  ttl(): Promise<number> {
    return this.#outer.ttl();
  }

  guard(): readonly Compare[] {
    return this.#outer.guard();
  }

  release(): Promise<void> {
    this.#released = true;
    return Promise.resolve();
  }

  unlock(): Promise<void> {
    return this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
