import type { ConfigIssue } from '../../errors/config-invalid.error.js';
import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import { isPlainObject, mergeLayer } from './merge-layers.js';

/** The layers of a configuration, the lowest first. `key` is the one layer of a view over a single key. */
export type LayerName = 'default' | 'global' | 'service' | 'key' | 'env';

/** One layer that is there. */
export interface Layer {
  readonly name: LayerName;
  /** The layer's key in etcd; none for defaults and environment variables. */
  readonly key?: string;
  /** The mod revision of the key; `0n` for defaults and environment variables. */
  readonly revision: bigint;
  readonly value: unknown;
}

/** Why a layer, or all of them together, were refused. Paths and reasons, never values. */
export interface ConfigRejection {
  /** The key that was written, or deleted, last of those that take part. */
  readonly key: string;
  readonly revision: bigint;
  readonly issues: readonly ConfigIssue[];
}

/** What a view is made of. */
export interface LayerPlan {
  /** The keys in etcd, the lowest layer first. */
  readonly keys: readonly { readonly name: LayerName; readonly key: string }[];
  /** `merge`: higher layers are laid on lower ones; `nearest`: the highest that exists, alone. */
  readonly combine: 'merge' | 'nearest';
  readonly codec: ConfigCodec;
  readonly default?: unknown;
  /** Already read from the environment; `undefined` when no variable is set. */
  readonly env?: unknown;
}

/** The layers that exist. For each that cannot be read `unreadable` is told why, and may give another in its place. */
export function readLayers(
  plan: LayerPlan,
  lookup: (key: string) => KeyValue | undefined,
  decoder: ConfigDecoder,
  unreadable: (rejection: ConfigRejection) => Layer | undefined,
): readonly Layer[] {
  const layers: Layer[] = [];
  if (plan.default !== undefined) layers.push({ name: 'default', revision: 0n, value: plan.default });
  for (const { name, key } of plan.keys) {
    const entry = lookup(key);
    if (!entry) continue;
    const decoded = decoder.decode(entry, plan.codec);
    const revision = entry.modRevision;
    const layer = decoded.issues
      ? unreadable({ key, revision, issues: decoded.issues })
      : { name, key, revision, value: decoded.value };
    if (layer) layers.push(layer);
  }
  if (plan.env !== undefined) layers.push({ name: 'env', revision: 0n, value: plan.env });
  return layers;
}

/** What the layers make together; `undefined` when there is none. */
export function combineLayers(combine: LayerPlan['combine'], layers: readonly Layer[]): unknown {
  if (combine === 'nearest' || layers.length < 2) return layers.at(-1)?.value;
  return layers.slice(1).reduce((merged, layer) => mergeLayer(merged, layer.value), layers[0]?.value);
}

/** The newest revision among the layers: the version of what they make together. */
export function newest(
  layers: readonly Layer[],
): { readonly key: string; readonly revision: bigint } | undefined {
  let found: { key: string; revision: bigint } | undefined;
  for (const { key, revision } of layers) {
    if (key !== undefined && (!found || revision > found.revision)) found = { key, revision };
  }
  return found;
}

/** Which of the keys was changed last. One that went away was changed by the revision that deleted it. */
export function newestChange(
  keys: LayerPlan['keys'],
  before: readonly (KeyValue | undefined)[] | undefined,
  now: readonly (KeyValue | undefined)[],
  source: { revisionOf(key: string): bigint },
): Omit<ConfigRejection, 'issues'> | undefined {
  return keys
    .map(({ key }, at) => ({ key, was: before?.[at], is: now[at] }))
    .filter(({ was, is }) => was !== is)
    .map(({ key, is }) => ({ key, revision: is ? is.modRevision : source.revisionOf(key) }))
    .sort((a, b) => Number(a.revision - b.revision))
    .at(-1);
}

/** Which layer gave a value, or took it away. */
export interface Explanation extends Omit<Layer, 'value'> {
  /** The value at the path; `undefined` where the layer deletes it with `null`. */
  readonly value: unknown;
  readonly deleted: boolean;
}

/** Asks the layers, the highest first, for the one that decides `path` (`'pool.max'`; `''` is the whole value). */
export function explainPath(
  combine: LayerPlan['combine'],
  layers: readonly Layer[],
  path: string,
): Explanation | undefined {
  const segments = path === '' ? [] : path.split('.');
  const searched = combine === 'nearest' ? layers.slice(-1) : layers;
  for (let at = searched.length - 1; at >= 0; at--) {
    const { value, ...layer } = searched[at]!;
    const found = step(value, segments);
    // The lowest layer's null is a value: there is nothing below that it could delete.
    const deleted = at > 0 && found.value === null && segments.length > 0;
    if (found.has) return { ...layer, value: deleted ? undefined : found.value, deleted };
    if (found.hides) return at > 0 ? { ...layer, value: undefined, deleted: true } : undefined;
  }
  return undefined;
}

/** `hides`: something that is not a plain object stands in the way, and with it all lower layers are out of sight. */
function step(value: unknown, segments: readonly string[]): { has: boolean; hides: boolean; value: unknown } {
  let current = value;
  for (const segment of segments) {
    const open = isPlainObject(current) || Array.isArray(current);
    if (!open || !Object.hasOwn(current as object, segment)) {
      return { has: false, hides: !isPlainObject(current), value: undefined };
    }
    current = (current as Record<string, unknown>)[segment];
  }
  return { has: true, hides: false, value: current };
}
