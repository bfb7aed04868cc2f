import type { Observable } from 'rxjs';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import type { ConfigSchema } from './config-schema.js';
import { ConfigView, type ViewPlan } from './config-view.js';
import type { ConfigRejection } from './layers.js';
import { PrefixView } from './prefix-view.js';
import { SafeObservable } from '../etcd/safe-observable.js';
import type { ScopeSet } from './scope-set.js';
import type { SecretPolicy } from './secret-policy.js';

export interface ConfigEvent<T> {
  readonly type: 'PUT' | 'DELETE';
  /** Absolute. */
  readonly key: string;
  /** What was put; left out of a deletion, of a value that is not what the codec reads, and secrets in it are not shown. */
  readonly value?: T;
  /** The key's mod revision; of a deletion the revision that deleted it. */
  readonly version: bigint;
}

export interface StreamDeps {
  readonly scopes: ScopeSet;
  readonly decoder: ConfigDecoder;
  readonly secrets: SecretPolicy;
  readonly logger: CoordLogger;
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
    this.#deps.logger.error('a subscriber of the configuration threw', { err: error });
  };

  /** The value that `plan` makes: the current one, then every change. */
  value<T>(plan: ViewPlan<T>): Observable<T> {
    const keys = plan.keys.map(({ key }) => key);
    return this.#stream((observer: { next(value: T): void }) => {
      const { decoder, scopes } = this.#deps;
      const source = scopes.source({ keys });
      const view = new ConfigView<T>(plan, {
        source,
        decoder,
        report: this.report,
        onRejection: this.refused,
      });
      view.changes.observable.subscribe((value) => observer.next(value));
      return view;
    });
  }

  map<T>(prefix: string, codec: ConfigCodec, schema?: ConfigSchema<T>): Observable<ReadonlyMap<string, T>> {
    return this.#stream((observer: { next(value: ReadonlyMap<string, T>): void }) => {
      const { decoder, scopes } = this.#deps;
      const source = scopes.source({ prefix });
      const view = new PrefixView<T>({
        source,
        decoder,
        codec,
        ...(schema && { schema }),
        report: this.report,
        onRejection: this.refused,
      });
      view.maps.observable.subscribe((map) => observer.next(map));
      return view;
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
          for (const { key, current } of changes) {
            if (matches(key)) observer.next(this.#event(key, current, state.revision, codec));
          }
        };
      });
      return { close: () => (stop(), source.release()) };
    });
  }

  readonly refused = (rejection: ConfigRejection | undefined): void => {
    if (!rejection) return;
    const { key, revision, issues } = rejection;
    this.#deps.logger.warn('configuration refused, the last good value stays', {
      key,
      revision: revision.toString(),
      issues,
    });
  };

  close(): void {
    this.#closed = true;
    for (const each of this.#open) each.close();
    this.#open.clear();
  }

  #event<T>(
    key: string,
    current: KeyValue | undefined,
    revision: bigint,
    codec: ConfigCodec,
  ): ConfigEvent<T> {
    if (!current) return { type: 'DELETE', key, version: revision };
    const decoded = this.#deps.decoder.decode(current, codec);
    const value = decoded.issues ? undefined : this.#deps.secrets.redact(key, decoded.value);
    return {
      type: 'PUT',
      key,
      version: current.modRevision,
      ...(value !== undefined && { value: value as T }),
    };
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
