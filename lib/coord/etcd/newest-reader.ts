import type { Generation } from './generation.js';
import type { KeyRange, RangeResult } from './kv.js';
import { decodeTxn, encodeTxn } from './wire.js';

/** etcd's default `--max-txn-ops`. */
const MAX_OPERATIONS = 128;

interface Question {
  readonly range: KeyRange;
  resolve(answer: RangeResult): void;
  reject(error: unknown): void;
}

/**
 * Asks for the number of keys and the newest key of ranges; what is asked in one tick travels together. After a cut a
 * thousand mirrors thus need eight calls, not a thousand, to learn that nothing has changed meanwhile.
 */
export class NewestReader {
  readonly #generation: Generation;
  readonly #timeout: number;
  #questions: Question[] = [];

  constructor(generation: Generation, timeout: number) {
    this.#generation = generation;
    this.#timeout = timeout;
  }

  /** Rejects with an `RpcFailure`, also for what etcd refuses a neighbour. */
  newest(range: KeyRange): Promise<RangeResult> {
    return new Promise((resolve, reject) => {
      if (this.#questions.length === 0) setImmediate(() => this.#ask());
      this.#questions.push({ range, resolve, reject });
    });
  }

  #ask(): void {
    const questions = this.#questions;
    this.#questions = [];
    for (let from = 0; from < questions.length; from += MAX_OPERATIONS) {
      void this.#send(questions.slice(from, from + MAX_OPERATIONS));
    }
  }

  async #send(questions: readonly Question[]): Promise<void> {
    const request = encodeTxn({
      success: questions.map(({ range }) => ({
        range: { ...range, limit: 1, keysOnly: true, sort: { by: 'mod', order: 'desc' } },
      })),
    });
    try {
      const answer = await this.#generation.unary((rpc, wire) => rpc.kv.txn(request, wire), this.#timeout);
      const { revision, results } = decodeTxn(answer);
      questions.forEach((question, index) => question.resolve({ ...results[index]!, revision }));
    } catch (error) {
      for (const question of questions) question.reject(error);
    }
  }
}
