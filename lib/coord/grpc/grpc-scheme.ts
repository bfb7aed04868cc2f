import { Channel, ChannelCredentials, type ChannelOptions, Client } from '@grpc/grpc-js';
import { isIPv6 } from 'node:net';
import { ValidationError } from '../../errors/validation.error.js';
import { BALANCER_NAME, BalancerConfig } from './balancer-config.js';
import { Balancer } from './balancer.js';
import { CoordResolver } from './coord-resolver.js';
import { SCHEME } from './coord-target.js';
import { GrpcCopyError } from './grpc-copy.error.js';
import { isKnownVersion, registerLoadBalancerType, registerResolver } from './grpc-experimental.js';

const INSTALLED = Symbol.for('im-infra:grpc.scheme');

/**
 * Teaches grpc-js the scheme `coord:` and our balancing policy. Once a copy of grpc-js: it has no way to take them back, and
 * the ESM and the CommonJS build of this library share it.
 */
export function installScheme(): void {
  if (!isKnownVersion) {
    throw new GrpcCopyError(
      "im-infra needs @grpc/grpc-js '>=1.14.0 <1.15.0'; the one that was loaded is another version",
    );
  }
  const holder = globalThis as { [INSTALLED]?: WeakSet<object> };
  const copies = (holder[INSTALLED] ??= new WeakSet());
  if (copies.has(Client)) return;
  copies.add(Client);
  registerResolver(SCHEME, CoordResolver);
  registerLoadBalancerType(BALANCER_NAME, Balancer, BalancerConfig);
}

/** Throws unless a client class was made by the copy of grpc-js that knows our scheme. */
export function assertOneCopy(clientClass: unknown): void {
  if (typeof clientClass !== 'function' || !(clientClass.prototype instanceof Client)) throw twoCopies();
}

/**
 * What grpc-js' clients call to make their channel, given as the option `channelFactoryOverride`: whichever copy the client
 * is of, this is ours, and a client of another copy comes with credentials of that copy. Without it such a client would look
 * the scheme up in DNS. For one of our own copy it does what the client would have done itself, and refuses a target that
 * would be looked up there because its scheme is wrong.
 */
export function makeChannel(target: string, given: ChannelCredentials, options: ChannelOptions): Channel {
  if (!(given instanceof ChannelCredentials)) throw twoCopies();
  const channel = new Channel(target, given, options);
  // A scheme that grpc-js does not know is to it the beginning of a host's name, and the whole target one for DNS.
  if (/^[\w+.-]+:\D/.test(target) && !isIPv6(target) && channel.getTarget() === `dns:${target}`) {
    channel.close();
    throw new ValidationError(
      'target',
      `${SCHEME}:///<service>, or another scheme that grpc-js knows`,
      target,
    );
  }
  return channel;
}

function twoCopies(): GrpcCopyError {
  return new GrpcCopyError(
    'the client is of another copy of @grpc/grpc-js than the one that im-infra uses, so it cannot know the scheme coord:. ' +
      'Find the two with `npm ls @grpc/grpc-js` and let npm install one (npm dedupe, or an override)',
  );
}
