import { type CoordOptions, resolveCoordOptions } from '../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { ServiceRegistry } from '../../../lib/coord/grpc/service-registry.js';
import { resolveService } from '../../../lib/options/service.js';
import { type LogLine, collectLog } from '../../support/open-client.js';

/** A registry on a connection of its own, as one process of a service has it. */
export class RegistryRoom implements AsyncDisposable {
  readonly client: EtcdClient;
  readonly registry: ServiceRegistry;
  readonly lines: readonly LogLine[];

  constructor(
    endpoints: readonly string[],
    { name = 'gateway', ...coord }: { name?: string } & Partial<CoordOptions> = {},
  ) {
    const resolved = resolveCoordOptions({ endpoints, ...coord });
    const logger = collectLog();
    this.lines = logger.lines;
    this.client = EtcdClient.create(resolved.etcd, { logger });
    this.registry = new ServiceRegistry({
      client: this.client,
      endpoints,
      service: resolveService({ name }),
      logger,
      prefixes: resolved.prefixes,
      sessionTtl: resolved.sessionTtl,
      dialTimeout: resolved.etcd.dialTimeout,
      ...(resolved.snapshot && { snapshot: resolved.snapshot }),
    });
  }

  /** Writes bytes as another tool would. */
  async put(key: string, value: string): Promise<void> {
    await this.client.commit({ success: [{ put: { key, value } }] }, { idempotent: true });
  }

  async remove(key: string): Promise<void> {
    await this.client.commit({ success: [{ delete: { key } }] }, { idempotent: true });
  }

  async read(key: string): Promise<string | undefined> {
    const { kvs } = await this.client.range({ key });
    return kvs[0]?.value.toString();
  }

  async close(): Promise<void> {
    await this.registry.close();
    await this.client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
