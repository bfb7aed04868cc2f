import type { Logger } from 'pino';
import type { Observable, Subscription } from 'rxjs';
import type { ResolvedService } from '../options/service.js';
import { type Clock, wallClock } from './clock.js';
import type { ClogOptions } from './clog.options.js';
import { consoleFormat } from './console-format.js';
import { writesFlatLines } from './flat-line.js';
import { type LiveIssue, issueFrom, readLiveOptions } from './live-options.js';
import { Namespaces } from './namespaces.js';
import { openOutput } from './open-output.js';
import type { Output } from './output.js';
import { createPinoRoot } from './pino-root.js';
import { type ResolvedClogOptions, levelLayer, resolveClogOptions } from './resolve-clog-options.js';
import { type LineFormat, Sink } from './sink.js';

/** What a test replaces. */
export interface ClogParts {
  readonly clock?: Clock;
  /** Takes the place of the output that the options name, until live options name another one. */
  readonly output?: Output;
}

/** What came of a value of the configuration centre. */
export type LiveOutcome =
  | { readonly kind: 'applied'; readonly options: readonly string[]; readonly ignored: readonly string[] }
  | { readonly kind: 'refused'; readonly issues: readonly LiveIssue[] }
  | { readonly kind: 'same' };

/** What the loggers of one application share: the pino root, the sink, the namespaces, the options in force. */
export class ClogCore {
  readonly service: ResolvedService;
  readonly boot: ResolvedClogOptions;
  readonly sink: Sink;
  readonly root: Logger;
  readonly namespaces: Namespaces;
  /** Fields that pino's serializers take care of. */
  readonly serialized: ReadonlySet<string>;
  /** Whether lines of plain values are made without pino; a plain field, since every line asks. */
  readonly flat: boolean;
  /** Whether lines carry their source; a plain field, since every line asks. */
  addSource: boolean;
  readonly #clock: Clock;
  readonly #given: ClogOptions;
  #options: ResolvedClogOptions;
  #live = 'undefined';
  readonly #subscriptions = new Set<Subscription>();
  /** Outputs on their way out, so that `flush` and `close` can wait for them. */
  readonly #closing = new Set<Promise<void>>();

  /** Throws a ValidationError that names the wrong option. */
  constructor(service: ResolvedService, options: ClogOptions, { clock = wallClock, output }: ClogParts = {}) {
    this.service = service;
    this.#given = options;
    this.#clock = clock;
    this.boot = resolveClogOptions(options);
    this.#options = this.boot;
    this.addSource = this.boot.addSource;
    this.sink = new Sink(output ?? openOutput(this.boot, clock), formatOf(this.boot));
    this.root = createPinoRoot(service, this.boot, this.sink);
    this.flat = writesFlatLines(this.root, this.boot, this.sink);
    this.namespaces = new Namespaces(service.name, this.root, this.boot.levels, clock);
    this.serialized = new Set(Object.keys(this.boot.pino.serializers ?? {}));
  }

  /** The options in force. */
  get options(): ResolvedClogOptions {
    return this.#options;
  }

  get now(): number {
    return this.#clock.now();
  }

  /** Applies what the configuration centre holds, `undefined` when nothing; see {@link ClogService.follow}. */
  applyLive(value: unknown): LiveOutcome {
    const text = jsonOf(value);
    if (text === undefined) {
      return { kind: 'refused', issues: [{ path: 'clog', takes: 'what JSON can hold' }] };
    }
    if (text === this.#live) return { kind: 'same' };
    this.#live = text;
    if (value === undefined) {
      const refused = this.#switchTo(this.boot);
      if (refused !== undefined) return refused;
      this.namespaces.follow(undefined);
      return { kind: 'applied', options: [], ignored: [] };
    }
    const { options, issues, ignored } = readLiveOptions(value);
    if (issues.length > 0) return { kind: 'refused', issues };
    // Levels are a layer of their own; the others lie over those of the start.
    const { level: _level, levels: _levels, until: _until, rotation, ...others } = options;
    const refused = this.#switchTo(
      resolveClogOptions({
        ...this.#given,
        ...others,
        ...(rotation !== undefined && { rotation: rotation && { ...this.#given.rotation, ...rotation } }),
      }),
    );
    if (refused !== undefined) return refused;
    this.namespaces.follow(levelLayer(options));
    return { kind: 'applied', options: Object.keys(options), ignored };
  }

  /** Follows an observable until the logger is closed or the result is called. */
  follow(options$: Observable<unknown>, observer: (outcome: LiveOutcome) => void): () => void {
    const subscription = options$.subscribe({
      next: (value) => observer(this.applyLive(value)),
      // The last good options stay: whoever feeds the observable reports why it ended.
      error: () => undefined,
    });
    this.#subscriptions.add(subscription);
    return () => {
      subscription.unsubscribe();
      this.#subscriptions.delete(subscription);
    };
  }

  /** Covers the lines that went to outputs which were exchanged since. */
  async flush(): Promise<void> {
    const closing = [...this.#closing];
    const outcomes = await Promise.allSettled([this.sink.flush(), ...closing]);
    for (const each of closing) this.#closing.delete(each);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.namespaces.close();
    await this.sink.close();
    await Promise.allSettled(this.#closing);
  }

  /** Exchanges output and format between two lines. The new output is open before the old one is let go. */
  #switchTo(next: ResolvedClogOptions): LiveOutcome | undefined {
    const now = this.#options;
    const sameOutput =
      next.output === now.output && JSON.stringify(next.rotation) === JSON.stringify(now.rotation);
    const sameFormat = next.format === now.format && next.enableColor === now.enableColor;
    if (!sameOutput || !sameFormat) {
      try {
        const output = sameOutput ? undefined : openOutput(next, this.#clock);
        this.#retire(this.sink.swap(output, formatOf(next)));
      } catch (error) {
        return { kind: 'refused', issues: [issueFrom(error, 'clog.output')] };
      }
    }
    this.#options = next;
    this.addSource = next.addSource;
    return undefined;
  }

  #retire(old: Output | undefined): void {
    if (old === undefined) return;
    const closing = flushAndClose(old);
    this.#closing.add(closing);
    // A failure stays until somebody flushes, who must be told.
    closing.then(() => this.#closing.delete(closing)).catch(() => undefined);
  }
}

async function flushAndClose(output: Output): Promise<void> {
  try {
    await output.flush();
  } finally {
    await output.close();
  }
}

/** `undefined` for what JSON cannot hold: big integers, and the circles that YAML can have. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) ?? 'undefined';
  } catch {
    return undefined;
  }
}

function formatOf({ format, enableColor }: ResolvedClogOptions): LineFormat | undefined {
  return format === 'console' ? consoleFormat(enableColor) : undefined;
}
