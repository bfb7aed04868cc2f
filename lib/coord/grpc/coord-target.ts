import { ValidationError } from '../../errors/validation.error.js';
import { checkName } from '../../options/check.js';
import type { GrpcUri } from './grpc-experimental.js';

export const SCHEME = 'coord';

/** `coord:///user-service`, the gRPC target of a service. */
export function coordTarget(service: string): string {
  return `${SCHEME}:///${checkName('name', service)}`;
}

/** The service that a parsed target names. Throws a `ValidationError` for what is not `coord:///<service>`. */
export function serviceOf(target: GrpcUri): string {
  const { path, authority } = target;
  try {
    return checkName('target', path);
  } catch {
    const written = `${SCHEME}:${authority === undefined ? '' : `//${authority}/`}${path}`;
    throw new ValidationError('target', `${SCHEME}:///<service>`, written);
  }
}
