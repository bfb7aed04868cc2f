import { setTimeout as passed } from 'node:timers/promises';

/** A caller of the gateway that never rests: so many at a time, each with a pause between two calls. */
export class Load {
  readonly calls = new Map<string, number>();
  readonly failures = new Map<string, number>();
  readonly #workers: Promise<void>[];
  #running = true;
  #sent = 0;

  constructor(
    private readonly url: string,
    { workers = 8, pause = 20 }: { workers?: number; pause?: number } = {},
  ) {
    this.#workers = Array.from({ length: workers }, async () => {
      while (this.#running) {
        await this.#call();
        await passed(pause);
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
    this.#running = false;
    await Promise.all(this.#workers);
  }

  async #call(): Promise<void> {
    const id = this.#sent++;
    try {
      const response = await fetch(`${this.url}/users/${id}`, { signal: AbortSignal.timeout(5_000) });
      const body = (await response.json()) as { servedBy?: string; message?: string };
      if (response.ok && body.servedBy !== undefined) count(this.calls, body.servedBy);
      else count(this.failures, `${response.status} ${body.message ?? ''}`);
    } catch (error) {
      count(this.failures, String(error));
    }
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
