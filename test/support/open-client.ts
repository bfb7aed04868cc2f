import { type CoordOptions, resolveCoordOptions } from '../../lib/coord/coord.options.js';
import type { CoordLogger } from '../../lib/coord/etcd/coord-logger.js';
import { EtcdClient } from '../../lib/coord/etcd/etcd.client.js';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
}

/** A logger that keeps its lines. */
export function collectLog(): CoordLogger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    lines.push({ level, message, fields });
  };
  return {
    lines,
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}

/** A client of the ground floor alone. Whoever opens it closes it. */
export function openClient(
  endpoints: readonly string[],
  options: Partial<CoordOptions> = {},
  logger: CoordLogger = collectLog(),
): EtcdClient {
  return EtcdClient.create(resolveCoordOptions({ endpoints, ...options }).etcd, { logger });
}
