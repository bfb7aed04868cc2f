import { ConfigCenter } from '../../../lib/coord/config/config.center.js';
import type { ConfigOptions } from '../../../lib/coord/config/config.options.js';
import { type CoordOptions, resolveCoordOptions } from '../../../lib/coord/coord.options.js';
import type { CoordLogger } from '../../../lib/coord/etcd/coord-logger.js';
import { EtcdClient } from '../../../lib/coord/etcd/etcd.client.js';
import { resolveService } from '../../../lib/options/service.js';

export interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields?: Record<string, unknown>;
}

/** A configuration centre on a connection of its own, as one process of a service has it. */
export class ConfigRoom implements AsyncDisposable {
  readonly client: EtcdClient;
  readonly config: ConfigCenter;
  readonly lines: LoggedLine[] = [];
  readonly logger: CoordLogger = this.#logger();

  constructor(
    endpoints: readonly string[],
    {
      name = 'orders',
      env = 'test',
      config,
      ...coord
    }: { name?: string; env?: string; config?: ConfigOptions } & Partial<CoordOptions> = {},
  ) {
    const resolved = resolveCoordOptions({ endpoints, ...coord });
    const { logger } = this;
    this.client = EtcdClient.create(resolved.etcd, { logger });
    this.config = new ConfigCenter(
      {
        client: this.client,
        endpoints,
        service: resolveService({ name, env }),
        logger,
        prefixes: resolved.prefixes,
        sessionTtl: resolved.sessionTtl,
        dialTimeout: resolved.etcd.dialTimeout,
        ...(resolved.snapshot && { snapshot: resolved.snapshot }),
      },
      config,
    );
  }

  /** Writes bytes as another tool would: no schema is asked. */
  async put(key: string, value: string): Promise<bigint> {
    const { revision } = await this.client.commit(
      { success: [{ put: { key, value } }] },
      { idempotent: true },
    );
    return revision;
  }

  async remove(key: string): Promise<void> {
    await this.client.commit({ success: [{ delete: { key } }] }, { idempotent: true });
  }

  async close(): Promise<void> {
    await this.config.close();
    await this.client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #logger(): CoordLogger {
    const log =
      (level: string) =>
      (message: string, fields?: Record<string, unknown>): void => {
        this.lines.push({ level, message, ...(fields && { fields }) });
      };
    return {
      trace: log('trace'),
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
    };
  }
}

/** Waits until `test` holds, by looking often; fails after `timeout` ms. */
export async function until(test: () => boolean, timeout = 5_000): Promise<void> {
  const end = performance.now() + timeout;
  while (!test()) {
    if (performance.now() > end) throw new Error(`not so within ${timeout} ms: ${test.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
