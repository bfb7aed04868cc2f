import type { Logger } from 'pino';
import { activeOtelSpan, hasOtelContext } from '../trace/otel.js';
import { type TraceStore, currentStore } from '../trace/trace-store.js';

/**
 * A pino logger and its children that carry the running trace: one child for each request, made on its first line.
 * The ids of an active OpenTelemetry span win over those of the request.
 */
export class TracedLogger {
  readonly pino: Logger;
  /** Whether a request keeps its child of this logger; else only the latest is kept, here. */
  readonly #cached: boolean;
  /** The request of the latest line, and its child. */
  #lastStore: TraceStore | undefined;
  #lastChild: Logger;
  #lastSpan: string | undefined;
  #spanChild: Logger | undefined;

  /** @param cached whether the logger lives as long as the application, so that requests may keep a child of it. */
  constructor(pino: Logger, cached: boolean) {
    this.pino = pino;
    this.#lastChild = pino;
    this.#cached = cached;
  }

  /** The logger for a line that is written now. */
  current(): Logger {
    const store = currentStore();
    // Lines of one request often follow one another: no look into its cache then.
    if (store !== undefined && store === this.#lastStore) return this.#lastChild;
    return this.#find(store);
  }

  #find(store: TraceStore | undefined): Logger {
    const span = activeOtelSpan();
    if (span !== undefined) return this.#ofSpan(span);
    if (store === undefined) return this.pino;
    const known = store.cache?.get(this) as Logger | undefined;
    const child = known ?? this.#child(store.trace.traceId, store.trace.spanId);
    // With OpenTelemetry the next line may be in a span, so it must be asked again.
    if (hasOtelContext()) return child;
    if (this.#cached) (store.cache ??= new Map()).set(this, child);
    this.#lastStore = store;
    this.#lastChild = child;
    return child;
  }

  #ofSpan({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }): Logger {
    if (this.#lastSpan !== spanId || this.#spanChild === undefined) {
      this.#lastSpan = spanId;
      this.#spanChild = this.#child(traceId, spanId);
    }
    return this.#spanChild;
  }

  #child(traceId: string, spanId: string): Logger {
    return this.pino.child({ trace_id: traceId, span_id: spanId });
  }
}
