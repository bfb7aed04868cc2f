import type { Logger } from 'pino';
import { activeOtelSpan } from '../trace/otel.js';
import { type TraceStore, currentStore } from '../trace/trace-store.js';

/**
 * A pino logger and its children that carry the running trace: one child for each request, made on its first line.
 * The ids of an active OpenTelemetry span win over those of the request.
 */
export class TracedLogger {
  readonly pino: Logger;
  /** Kept by the request if there is one logger of this kind; else only the latest is, here. */
  readonly #cached: boolean;
  #lastOwner: TraceStore | string | undefined;
  #last: Logger | undefined;

  /** @param cached whether the logger lives as long as the application, so that requests may keep a child of it. */
  constructor(pino: Logger, cached: boolean) {
    this.pino = pino;
    this.#cached = cached;
  }

  /** The logger for a line that is written now. */
  current(): Logger {
    const span = activeOtelSpan();
    if (span !== undefined) return this.#latest(`${span.traceId}-${span.spanId}`, span.traceId, span.spanId);
    const store = currentStore();
    if (store === undefined) return this.pino;
    if (!this.#cached) return this.#latest(store, store.trace.traceId, store.trace.spanId);
    const cache = (store.cache ??= new Map());
    const known = cache.get(this);
    if (known !== undefined) return known as Logger;
    const child = this.#child(store.trace.traceId, store.trace.spanId);
    cache.set(this, child);
    return child;
  }

  #latest(owner: TraceStore | string, traceId: string, spanId: string): Logger {
    if (this.#last === undefined || this.#lastOwner !== owner) {
      this.#last = this.#child(traceId, spanId);
      this.#lastOwner = owner;
    }
    return this.#last;
  }

  #child(traceId: string, spanId: string): Logger {
    return this.pino.child({ trace_id: traceId, span_id: spanId });
  }
}
