import type { Generation } from './generation.js';
import type { RangeQuery, RangeResult } from './kv.js';

/** etcd's default `--max-txn-ops`. */
const MAX_OPERATIONS = 128;
/** Answers that are expected to be larger than this together are asked for apart. */
const MAX_BYTES = 4 * 1024 * 1024;

interface Question {
  readonly query: RangeQuery;
  readonly bytes: number;
  resolve(answer: RangeResult): void;
  reject(error: unknown): void;
}

/**
 * Reads ranges as they are now; what is asked in one tick travels together. After a cut a thousand mirrors thus need eight
 * calls, not a thousand, to learn that nothing has changed meanwhile.
 */
export class BatchedReader {
  readonly #generation: Generation;
  readonly #timeout: number;
  #questions: Question[] = [];

  constructor(generation: Generation, timeout: number) {
    this.#generation = generation;
    this.#timeout = timeout;
  }

  /**
   * Rejects with an `RpcFailure`, also for what etcd refuses a neighbour.
   *
   * @param bytes how large the answer is expected to be
   */
  read(query: RangeQuery, bytes: number): Promise<RangeResult> {
    return new Promise((resolve, reject) => {
      if (this.#questions.length === 0) setImmediate(() => this.#ask());
      this.#questions.push({ query, bytes, resolve, reject });
    });
  }

  #ask(): void {
    let batch: Question[] = [];
    let bytes = 0;
    for (const question of this.#questions) {
      if (batch.length === MAX_OPERATIONS || (batch.length > 0 && bytes + question.bytes > MAX_BYTES)) {
        void this.#send(batch);
        [batch, bytes] = [[], 0];
      }
      batch.push(question);
      bytes += question.bytes;
    }
    this.#questions = [];
    void this.#send(batch);
  }

  async #send(questions: readonly Question[]): Promise<void> {
    const txn = { success: questions.map(({ query }) => ({ range: query })) };
    try {
      const [answer] = await this.#generation.unary((rpc, wire) => rpc.txn([txn], wire), this.#timeout);
      const { revision, results } = answer!;
      questions.forEach((question, index) => question.resolve({ ...results[index]!, revision }));
    } catch (error) {
      for (const question of questions) question.reject(error);
    }
  }
}
