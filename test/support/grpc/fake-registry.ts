import type { ChannelView } from '../../../lib/coord/grpc/channel-view.js';
import { type LiveRegistry, announceRegistry } from '../../../lib/coord/grpc/registry-table.js';
import type { DirectoryHandle } from '../../../lib/coord/registry/service-directories.js';
import type { InstanceChange } from '../../../lib/coord/registry/loss-guard.js';
import type { ServiceInstance } from '../../../lib/coord/registry/service-instance.js';
import { type LogLine, collectLog } from '../open-client.js';

/** A registry without etcd: what it lists is what the test says. */
export class FakeRegistry implements LiveRegistry {
  readonly names: readonly string[];
  readonly source: string;
  readonly client = 'client-1';
  readonly logger = collectLog();
  readonly members = new Map<string, ServiceInstance>();
  readonly doubted: string[] = [];
  readonly channels = new Set<ChannelView>();
  readonly #listeners = new Set<(changes: readonly InstanceChange[]) => void>();
  #told: ReadonlyMap<string, ServiceInstance> = new Map();
  readonly #withdraw: () => void;
  /** How often a directory was opened, and how many are open. */
  opened = 0;
  inUse = 0;
  known = true;

  constructor(names: readonly string[] = ['fake'], source = 'fake') {
    this.names = names;
    this.source = source;
    this.#withdraw = announceRegistry(this);
  }

  get lines(): readonly LogLine[] {
    return this.logger.lines;
  }

  open(): DirectoryHandle {
    this.opened++;
    this.inUse++;
    const roster = {
      members: this.members,
      subscribe: (listener: (changes: readonly InstanceChange[]) => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      isPresent: (id: string) => this.members.has(id),
      doubt: (id: string) => Promise.resolve(this.doubted.push(id)),
    };
    Object.defineProperty(roster, 'known', { get: () => this.known });
    const handle = { roster, directory: { hint: '' }, close: () => this.inUse-- };
    return handle as unknown as DirectoryHandle;
  }

  show(channel: ChannelView): () => void {
    this.channels.add(channel);
    return () => this.channels.delete(channel);
  }

  /** Lists an instance, or changes it. */
  add(id: string, port: number, metadata: Record<string, string> = {}): void {
    this.members.set(id, { id, name: 'echo', address: '127.0.0.1', port, metadata });
    this.tell();
  }

  remove(id: string): void {
    this.members.delete(id);
    this.tell();
  }

  tell(): void {
    const before = this.#told;
    this.#told = new Map(this.members);
    const changes = [...new Set([...before.keys(), ...this.members.keys()])]
      .map((id) => ({ id, previous: before.get(id), current: this.members.get(id) }))
      .filter(({ previous, current }) => previous !== current);
    for (const listener of this.#listeners) listener(changes);
  }

  close(): void {
    this.#withdraw();
  }
}
