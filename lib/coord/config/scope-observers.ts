import type { Change } from '../etcd/mirror.js';
import type { Interest, ScopeObserver } from './config-scope.js';

/** Who looks at which keys. Finding those whom a change touches costs by the change, not by the number of observers. */
export class ScopeObservers {
  readonly #byKey = new Map<string, Set<ScopeObserver>>();
  readonly #byPrefix = new Map<string, Set<ScopeObserver>>();

  /** Returns what takes the observer off again. */
  add(interest: Interest, observer: ScopeObserver): () => void {
    const places: (readonly [Map<string, Set<ScopeObserver>>, string])[] =
      'keys' in interest
        ? interest.keys.map((key) => [this.#byKey, key] as const)
        : [[this.#byPrefix, interest.prefix] as const];
    for (const [register, name] of places) {
      const set = register.get(name);
      if (set) set.add(observer);
      else register.set(name, new Set([observer]));
    }
    return () => {
      for (const [register, name] of places) {
        const set = register.get(name);
        set?.delete(observer);
        if (set?.size === 0) register.delete(name);
      }
    };
  }

  all(): Set<ScopeObserver> {
    return new Set([...this.#byKey.values(), ...this.#byPrefix.values()].flatMap((set) => [...set]));
  }

  touchedBy(changes: readonly Change[]): Set<ScopeObserver> {
    const touched = new Set<ScopeObserver>();
    for (const { key } of changes) {
      for (const observer of this.#byKey.get(key) ?? []) touched.add(observer);
      for (const [prefix, set] of this.#byPrefix) {
        if (key.startsWith(prefix)) for (const observer of set) touched.add(observer);
      }
    }
    return touched;
  }

  clear(): void {
    this.#byKey.clear();
    this.#byPrefix.clear();
  }
}
