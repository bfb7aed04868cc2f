import type { LogLevel } from './log-level.js';

export interface LevelEntry {
  readonly level: LogLevel;
  /** When the entry stops counting, in milliseconds since 1970. @default never */
  readonly until?: number;
}

/** Levels by namespace prefix; the empty prefix stands for everything. */
export type LevelLayer = ReadonlyMap<string, LevelEntry>;

/**
 * The prefixes that decide a namespace's level, the most specific first. Each counts with and without the service's
 * name in front, so that a table shared by a fleet can single out one service: in `im-gateway`, both `user` and
 * `im-gateway.user` cover the namespace `user.auth`.
 */
export function levelPrefixes(service: string, namespace: string): readonly string[] {
  const prefixes: string[] = [];
  for (
    let prefix = namespace;
    prefix !== '';
    prefix = prefix.slice(0, Math.max(prefix.lastIndexOf('.'), 0))
  ) {
    prefixes.push(`${service}.${prefix}`, prefix);
  }
  prefixes.push(service, '');
  return prefixes;
}

/**
 * The level in force: that of the longest prefix that a layer holds and that has not expired; for one prefix the first
 * layer wins. The last layer must hold the empty prefix, without an end.
 */
export function resolveLevel(
  prefixes: readonly string[],
  layers: readonly LevelLayer[],
  now: number,
): LogLevel {
  for (const prefix of prefixes) {
    for (const layer of layers) {
      const entry = layer.get(prefix);
      if (entry !== undefined && (entry.until === undefined || entry.until > now)) return entry.level;
    }
  }
  return 'info';
}

/** The next moment at which {@link resolveLevel} may answer differently, or `undefined`. */
export function nextExpiry(layers: readonly LevelLayer[], now: number): number | undefined {
  let next: number | undefined;
  for (const layer of layers) {
    for (const { until } of layer.values()) {
      if (until !== undefined && until > now && (next === undefined || until < next)) next = until;
    }
  }
  return next;
}
