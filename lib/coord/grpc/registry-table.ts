import type { CoordLogger } from '../etcd/coord-logger.js';
import type { DirectoryHandle } from '../registry/service-directories.js';
import type { ChannelView } from './channel-view.js';

/** A registry of this process that targets can be resolved through. */
export interface LiveRegistry {
  /** What `CoordGrpcOptions.registry` may call it. */
  readonly names: readonly string[];
  /** Which etcd and which keys: two registries with the same source are interchangeable. */
  readonly source: string;
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
  const { registries, listeners } = table();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  registries.add(registry);
  tell();
  return () => {
    if (registries.delete(registry)) tell();
  };
}

export function isLive(registry: LiveRegistry): boolean {
  return table().registries.has(registry);
}

/** Calls `listener` when a registry comes or goes. Returns the unsubscribing function. */
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
  if (named.every(({ source }) => source === first.source)) return first;
  const list = named.map(({ names: [own], source }) => `'${own}' (${source})`).join(', ');
  return `this process has several registries, ${list}: name one with the option registry, or take registry.clientOptions()`;
}
