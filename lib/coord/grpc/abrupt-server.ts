import { Transport } from '@nestjs/microservices';
import type { Observable } from 'rxjs';
import type { CoordLogger } from '../etcd/coord-logger.js';

/** The url of a Nest gRPC server that was given none. */
const DEFAULT_URL = 'localhost:5000';

/** What Nest's `ServerGrpc` keeps in protected fields. */
interface NestServer {
  readonly transportId?: unknown;
  readonly options?: { readonly url?: string; readonly gracefulShutdown?: boolean };
}

/** `ModulesContainer`. The first releases of Nest 11 do not tell of their servers: there nobody is warned. */
export interface ServersOfNest {
  readonly getRpcTargetRegistry?: () => Observable<unknown>;
}

/**
 * Warns when Nest makes a gRPC server for `port` that will cut the calls it is running when it stops: its default, with
 * which each rolling restart fails some calls. It sees those made before and each that is made later.
 */
export function warnOfAbruptServers(modules: ServersOfNest, port: number, logger: CoordLogger): void {
  modules.getRpcTargetRegistry?.().subscribe((server) => {
    const { transportId, options = {} } = (server ?? {}) as NestServer;
    if (transportId !== Transport.GRPC || options.gracefulShutdown === true) return;
    if (portOf(options.url ?? DEFAULT_URL) !== port) return;
    logger.warn(
      'the gRPC server will cut running calls when it stops: set gracefulShutdown: true in its options',
      { port },
    );
  });
}

function portOf(url: string): number | undefined {
  const digits = /:(\d+)$/.exec(url)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
