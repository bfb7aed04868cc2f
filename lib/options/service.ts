import { randomBytes } from 'node:crypto';
import { ValidationError } from '../errors/validation.error.js';
import { checkName, checkString } from './check.js';

/** Who this process is: the name in logs, in the registry and in configuration keys. */
export interface ServiceOptions {
  /** The service's name, for example `user-service`. */
  readonly name: string;
  /** The environment, the second segment of configuration keys. @default 'dev' */
  readonly env?: string;
  /** The release that runs: `service_version` in logs, `version` in the registry's metadata. */
  readonly version?: string;
  /** Tells the instances of one service apart. @default the name (its first 119 characters) and 8 random hex digits */
  readonly instanceId?: string;
}

export interface ResolvedService {
  readonly name: string;
  readonly env: string;
  readonly version?: string;
  readonly instanceId: string;
}

/** Room in a name of 128 characters for `-` and 8 digits. */
const NAME_IN_ID = 119;

export function resolveService(service: ServiceOptions | undefined): ResolvedService {
  if (typeof service !== 'object' || service === null) {
    throw new ValidationError(
      'service',
      "an object with the service's name, { name: 'user-service' }",
      service,
    );
  }
  const name = checkName('service.name', service.name);
  return {
    name,
    env: checkName('service.env', service.env ?? 'dev'),
    instanceId: checkName(
      'service.instanceId',
      service.instanceId ?? `${name.slice(0, NAME_IN_ID)}-${randomBytes(4).toString('hex')}`,
    ),
    ...(service.version !== undefined && { version: checkString('service.version', service.version) }),
  };
}
