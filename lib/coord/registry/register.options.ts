import { ValidationError } from '../../errors/validation.error.js';
import { checkPort, checkString } from '../../options/check.js';
import { type Duration, parseDuration } from '../../options/duration.js';
import type { ResolvedService } from '../../options/service.js';
import { checkAddress, checkMetadata, checkWeight } from './instance-check.js';
import { VERSION, WEIGHT, ZONE } from './instance-traits.js';
import { localAddress } from './local-address.js';
import type { ServiceInstance } from './service-instance.js';
import { DRAIN_DELAY } from './take-leave.js';

/** Publishes this process in the registry once a server of its own listens on the port and accepts connections. */
export interface RegisterOptions {
  /** The port that this process listens on. */
  readonly port: number;
  /** Where others reach it. @default the first IPv4 address that is not internal */
  readonly address?: string;
  /** The lease's time to live: how long a crashed process stays listed. At least 2 s. @default coord.sessionTtl, '15s' */
  readonly ttl?: Duration;
  /** The share of calls, 0 to 1000, relative to the other instances. @default 1 */
  readonly weight?: number;
  /** Where the process runs; clients that name a zone prefer their own. */
  readonly zone?: string;
  /** Free text by key, published with the instance. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long a stopping instance stays reachable after it was marked as draining. @default '500ms' */
  readonly drainDelay?: Duration;
}

export interface ResolvedRegister {
  readonly instance: ServiceInstance;
  /** In ms. */
  readonly ttl: number | undefined;
  /** In ms. */
  readonly drainDelay: number;
}

/** Fills and checks {@link RegisterOptions}. Throws a `ValidationError` that names the option. */
export function resolveRegister(options: RegisterOptions, service: ResolvedService): ResolvedRegister {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError(
      'register',
      'an object with the port of this process, { port: 50051 }',
      options,
    );
  }
  const { address, ttl, weight, zone, metadata, drainDelay = DRAIN_DELAY } = options;
  return {
    instance: {
      id: service.instanceId,
      name: service.name,
      address: address === undefined ? localAddress() : checkAddress('register.address', address),
      port: checkPort('register.port', options.port),
      metadata: {
        ...(service.version !== undefined && { [VERSION]: service.version }),
        ...(metadata !== undefined && checkMetadata('register.metadata', metadata)),
        ...(weight !== undefined && { [WEIGHT]: checkWeight('register.weight', weight) }),
        ...(zone !== undefined && { [ZONE]: checkString('register.zone', zone) }),
      },
    },
    ttl: ttl === undefined ? undefined : parseDuration('register.ttl', ttl, { min: 2_000 }),
    drainDelay: parseDuration('register.drainDelay', drainDelay),
  };
}
