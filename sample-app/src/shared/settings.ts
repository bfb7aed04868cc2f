import { hostname } from 'node:os';
import { type ImInfraOptions } from 'im-infra';

/** What a process is told by its environment. */
export interface Settings {
  readonly instanceId: string;
  readonly port: number;
  readonly endpoints: string[];
  /** JSON for machines, `console` for people. */
  readonly logFormat: 'json' | 'console';
}

export function readSettings(service: string, env: NodeJS.ProcessEnv = process.env): Settings {
  const port = Number(env['PORT']);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`PORT takes a port, an integer from 1 to 65535, got ${JSON.stringify(env['PORT'])}`);
  }
  return {
    port,
    instanceId: env['INSTANCE_ID'] ?? `${service}-${hostname()}-${process.pid}`,
    endpoints: (env['ETCD_ENDPOINTS'] ?? '127.0.0.1:2379').split(','),
    logFormat: env['LOG_FORMAT'] === 'console' ? 'console' : 'json',
  };
}

/** The options of every process of the fleet; only a service that others look up registers itself. */
export function infraOptions(service: string, settings: Settings, role: 'client' | 'server'): ImInfraOptions {
  return {
    service: { name: service, env: 'demo', instanceId: settings.instanceId },
    clog: { format: settings.logFormat },
    coord: { endpoints: settings.endpoints },
    // Five seconds after a crash its key is gone; the default would be fifteen.
    ...(role === 'server' && { register: { port: settings.port, address: '127.0.0.1', ttl: '5s' } }),
  };
}
