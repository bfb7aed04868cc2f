import { ClogService } from '../../../lib/clog/clog.service.js';
import type { ClogParts } from '../../../lib/clog/clog-core.js';
import type { ClogServiceOptions } from '../../../lib/clog/clog.options.js';
import type { Output } from '../../../lib/clog/output.js';

/** An output that keeps what it gets. */
export class MemoryOutput implements Output {
  readonly text: string[] = [];

  write(line: string): void {
    this.text.push(line);
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  /** The lines as records; a line that is not JSON fails here. */
  get records(): Record<string, unknown>[] {
    return this.text.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  get last(): Record<string, unknown> {
    return this.records.at(-1) ?? {};
  }

  get messages(): unknown[] {
    return this.records.map(({ msg }) => msg);
  }
}

/** A logger at level trace, in JSON, on a memory output. */
export function memoryClog(options: Partial<ClogServiceOptions> = {}, parts: ClogParts = {}) {
  const output = new MemoryOutput();
  const clog = ClogService.create(
    { service: { name: 'im-gateway' }, level: 'trace', format: 'json', ...options },
    { output, ...parts },
  );
  return { clog, output };
}
