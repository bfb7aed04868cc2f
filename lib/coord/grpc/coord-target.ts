import { ValidationError } from '../../errors/validation.error.js';
import { checkName } from '../../options/check.js';
import type { GrpcUri } from './grpc-experimental.js';

export const SCHEME = 'coord';

/** `coord:///user-service`, the gRPC target of a service. Throws a `ValidationError` for what is not the name of one. */
export function coordTarget(service: string): string {
  if (typeof service === 'string' && /:\D/.test(service)) {
    throw new ValidationError(
      'name',
      `the name of a service alone, without a scheme: '${bare(service)}'`,
      service,
    );
  }
  return `${SCHEME}:///${checkName('name', service)}`;
}

/** What `coord:user-service` or `http://user-service:50051/` was meant to be, as far as one can tell. */
function bare(url: string): string {
  const path = url.slice(url.indexOf(':')).replace(/:\d+/g, '');
  const names = path.match(/[\w.-]+/g) ?? [];
  return (/^https?:/.test(url) ? names[0] : names.at(-1)) ?? 'user-service';
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
