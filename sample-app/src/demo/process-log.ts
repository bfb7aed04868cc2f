export interface LogLine {
  readonly level?: string;
  readonly msg?: string;
  readonly namespace?: string;
  readonly [field: string]: unknown;
}

/** More than a step needs; a fleet that is left running prints for days. */
const KEPT = 2_000;

/** What a process printed, line by line: the last of it, and how much there was. */
export class ProcessLog {
  readonly #lines: LogLine[] = [];
  #count = 0;

  /** The number of lines so far, to be given to {@link since}. */
  get count(): number {
    return this.#count;
  }

  add(line: string): void {
    this.#count++;
    this.#lines.push(parse(line));
    if (this.#lines.length > 2 * KEPT) this.#lines.splice(0, KEPT);
  }

  since(count: number): LogLine[] {
    const fresh = this.#count - count;
    return fresh > 0 ? this.#lines.slice(-fresh) : [];
  }

  last(count: number): LogLine[] {
    return this.#lines.slice(-count);
  }

  /** The last lines at level warn or above, and those that are not JSON. */
  loud(count: number): LogLine[] {
    const quiet = new Set(['trace', 'debug', 'info']);
    return this.#lines.filter(({ level }) => level === undefined || !quiet.has(level)).slice(-count);
  }
}

function parse(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as LogLine;
  } catch {
    // A crash does not speak JSON.
  }
  return { msg: line };
}
