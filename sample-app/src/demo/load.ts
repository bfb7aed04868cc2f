import { passed } from './until.js';

/** One call; resolves with the name of the instance that answered. */
export type Call = (id: number) => Promise<string>;

/** A caller that never rests: so many calls at a time, with a pause after each. */
export class Load {
  readonly calls = new Map<string, number>();
  readonly failures = new Map<string, number>();
  readonly #workers: Promise<void>[];
  readonly #stop = new AbortController();
  #sent = 0;

  constructor(
    private readonly call: Call,
    { workers = 8, pause = 20 }: { workers?: number; pause?: number } = {},
  ) {
    const { signal } = this.#stop;
    this.#workers = Array.from({ length: workers }, async () => {
      while (!signal.aborted) {
        await this.#call();
        await passed(pause, signal).catch(() => undefined);
      }
    });
  }

  get sent(): number {
    return this.#sent;
  }

  get failed(): number {
    return [...this.failures.values()].reduce((sum, count) => sum + count, 0);
  }

  of(instanceId: string): number {
    return this.calls.get(instanceId) ?? 0;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#workers);
  }

  async #call(): Promise<void> {
    try {
      count(this.calls, await this.call(this.#sent++));
    } catch (error) {
      count(this.failures, error instanceof Error ? error.message : String(error));
    }
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
