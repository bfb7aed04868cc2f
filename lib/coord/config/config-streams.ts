import type { Observable } from 'rxjs';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import { type ConfigEvent, toEvent } from './config-event.js';
import type { ConfigSchema } from './config-schema.js';
import { ConfigView, type ViewPlan } from './config-view.js';
import type { Judge, Judgements } from './judgements.js';
import type { KeySource } from './key-source.js';
import { PrefixView } from './prefix-view.js';
import { SafeObservable } from '../etcd/safe-observable.js';
import type { ScopeSet } from './scope-set.js';
import type { SecretPolicy } from './secret-policy.js';

export interface StreamDeps {
  readonly scopes: ScopeSet;
  readonly decoder: ConfigDecoder;
  readonly secrets: SecretPolicy;
  readonly judgements: Judgements;
  readonly logger: CoordLogger;
  /** A schema made `value` of `input`, which is what the keys have together, and stood in `entries`. */
  readonly onValid: (
    keys: readonly string[],
    value: unknown,
    input: unknown,
    entries: readonly KeyValue[],
  ) => void;
  readonly onJudged: () => void;
}

/** The observables of the centre. Each subscription is a light view on the shared mirror; all complete when the centre closes. */
export class ConfigStreams {
  readonly #deps: StreamDeps;
  readonly #open = new Set<{ close(): void }>();
  #closed = false;

  constructor(deps: StreamDeps) {
    this.#deps = deps;
  }

  readonly report = (error: unknown): void => {
    try {
      this.#deps.logger.error('a subscriber of the configuration threw', { err: error });
    } catch {
      // A logger that throws must not become the unhandled rejection of whoever reports to it.
    }
  };

  /** The value that `plan` makes: the current one, then every change. */
  value<T>(plan: ViewPlan<T>): Observable<T> {
    const keys = plan.keys.map(({ key }) => key);
    return this.#stream((observer: { next(value: T): void }) => {
      const { decoder, scopes, judgements, onValid, onJudged } = this.#deps;
      const source = scopes.source({ keys });
      const view = new ConfigView<T>(plan, {
        source,
        decoder,
        report: this.report,
        onValid: (value, input, entries) => onValid(keys, value, input, entries),
        onRejection: (rejection) => judgements.judged(rejection, keys),
        onJudged,
      });
      return this.#judging(view, source, () =>
        view.changes.observable.subscribe((value) => observer.next(value)),
      );
    });
  }

  map<T>(prefix: string, codec: ConfigCodec, schema?: ConfigSchema<T>): Observable<ReadonlyMap<string, T>> {
    return this.#stream((observer: { next(value: ReadonlyMap<string, T>): void }) => {
      const { decoder, scopes, judgements, onValid, onJudged } = this.#deps;
      const source = scopes.source({ prefix });
      const view = new PrefixView<T>({
        source,
        decoder,
        codec,
        ...(schema && { schema }),
        report: this.report,
        onValid: (value, input, entry) => onValid([entry.key], value, input, [entry]),
        onRejection: (rejection, key) => judgements.judged(rejection, [key]),
        onJudged,
      });
      return this.#judging(view, source, () => view.maps.observable.subscribe((map) => observer.next(map)));
    });
  }

  /** @param prefix what the keys start with; @param matches which of them are meant. */
  events<T>(
    prefix: string,
    matches: (key: string) => boolean,
    codec: ConfigCodec,
  ): Observable<ConfigEvent<T>> {
    return this.#stream((observer: { next(event: ConfigEvent<T>): void }) => {
      const source = this.#deps.scopes.source({ prefix });
      const stop = source.observe(({ state, changes, initial }) => {
        if (initial) return undefined;
        return () => {
          for (const change of changes) {
            if (matches(change.key)) observer.next(toEvent<T>(change, state.revision, codec, this.#deps));
          }
        };
      });
      return { close: () => (stop(), source.release()) };
    });
  }

  close(): void {
    this.#closed = true;
    for (const each of this.#open) each.close();
    this.#open.clear();
  }

  /** What the view thinks of its keys is known to others while it is open. */
  #judging(view: Judge & { close(): void }, source: KeySource, subscribe: () => unknown): { close(): void } {
    const leave = this.#deps.judgements.add(view, source);
    subscribe();
    return { close: () => (leave(), view.close()) };
  }

  #stream<T>(open: (observer: { next(value: T): void }) => { close(): void }): Observable<T> {
    return new SafeObservable<T>(this.report, (observer) => {
      if (this.#closed) {
        observer.complete();
        return () => undefined;
      }
      let ended = false;
      let view: { close(): void } | undefined;
      const end = (): void => {
        if (ended) return;
        ended = true;
        this.#open.delete(entry);
        view?.close();
      };
      const entry = { close: () => (end(), observer.complete()) };
      this.#open.add(entry);
      view = open(observer);
      // Closed while the subscriber was given the first value.
      if (ended) view.close();
      return end;
    });
  }
}
