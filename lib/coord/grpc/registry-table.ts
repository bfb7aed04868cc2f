import type { CoordLogger } from '../etcd/coord-logger.js';
import type { DirectoryHandle } from '../registry/service-directories.js';
import type { ChannelView } from './channel-view.js';

/** A registry of this process that targets can be resolved through. */
export interface LiveRegistry {
  /** What `CoordGrpcOptions.registry` may call it. */
  readonly names: readonly string[];
  /** Which etcd and which keys: two registries with the same source are interchangeable. `undefined` until etcd answered. */
  readonly source: string | undefined;
  /** Tells this process apart from others when it draws the instances of a subset. */
  readonly client: string;
  readonly logger: CoordLogger;
  open(service: string): DirectoryHandle;
  /** Shows a channel to `registry.explain()`, until the function is called that it returns. */
  show(channel: ChannelView): () => void;
}

interface Table {
  readonly registries: Set<LiveRegistry>;
  readonly listeners: Set<() => void>;
}

/**
 * The registries that live in this process, whichever build (ESM or CommonJS) made them: static client options, such as
 * those of `@Client()`, are written before any registry exists and find theirs here.
 */
const TABLE = Symbol.for('im-infra:grpc.registries');

function table(): Table {
  const holder = globalThis as { [TABLE]?: Table };
  return (holder[TABLE] ??= { registries: new Set(), listeners: new Set() });
}

/** Makes a registry known. Returns the function that takes it out again. */
export function announceRegistry(registry: LiveRegistry): () => void {
  table().registries.add(registry);
  pokeRegistries();
  return () => {
    if (table().registries.delete(registry)) pokeRegistries();
  };
}

export function isLive(registry: LiveRegistry): boolean {
  return table().registries.has(registry);
}

/** Something changed about the registries: those who look for one look again. */
export function pokeRegistries(): void {
  for (const listener of table().listeners) listener();
}

/** Calls `listener` when a registry comes, goes, or has reached its etcd. Returns the unsubscribing function. */
export function onRegistries(listener: () => void): () => void {
  const { listeners } = table();
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The registry of that name, or the only one; otherwise the reason why there is none to use. */
export function findRegistry(name?: string): LiveRegistry | string {
  const all = [...table().registries];
  const named = name === undefined ? all : all.filter(({ names }) => names.includes(name));
  const [first] = named;
  if (first === undefined) {
    if (name !== undefined) return `no registry of this process is called '${name}'`;
    return 'this process has no registry: import ImInfraModule, or await CoordService.connect(), before the first call';
  }
  if (named.length === 1) return first;
  const sources = new Set(named.map(({ source }) => source));
  if (sources.size === 1 && first.source !== undefined) return first;
  const list = named
    .map(({ names: [own], source }) => `'${own}' (${source ?? 'not connected yet'})`)
    .join(', ');
  return `this process has several registries, ${list}: name one with the option registry, or take registry.clientOptions()`;
}
