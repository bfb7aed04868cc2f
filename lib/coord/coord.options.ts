import { ValidationError } from '../errors/validation.error.js';
import { checkString } from '../options/check.js';
import { type Duration, parseDuration } from '../options/duration.js';
import type { ConfigOptions } from './config/config.options.js';
import { parseEndpoints } from './etcd/endpoint.js';
import type { EtcdOptions } from './etcd/etcd.options.js';
import { readCertificates, readKeyOf } from './etcd/pem.js';
import type { Prefixes, SnapshotOptions } from './etcd/room-context.js';

export interface TlsOptions {
  /** The authority that signed the servers' certificates: a path, or PEM. @default the system's authorities */
  readonly ca?: string | Buffer;
  /** The client's certificate, for mutual TLS: a path, or PEM. */
  readonly cert?: string | Buffer;
  /** The client's key, for mutual TLS: a path, or PEM. */
  readonly key?: string | Buffer;
}

export interface CoordOptions {
  /** etcd's client addresses: `'127.0.0.1:2379'`, `'http://…'`, `'https://…'`; all plain or all secure. */
  readonly endpoints: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly tls?: TlsOptions;
  /** How long the first connection may take. @default '5s' */
  readonly dialTimeout?: Duration;
  /** The budget of a call that is given none of its own. @default '5s' */
  readonly requestTimeout?: Duration;
  /** HTTP/2 pings on a silent connection; etcd refuses faster ones than 5 s. @default '10s' */
  readonly keepAliveTime?: Duration;
  /** A ping not answered within this ends the connection. @default '3s' */
  readonly keepAliveTimeout?: Duration;
  /** A watch stream silent for this long is asked for a sign of life. @default '10s' */
  readonly progressInterval?: Duration;
  /** A watch stream that owes a sign of life for this long is cut, and opened elsewhere. @default '5s' */
  readonly progressTimeout?: Duration;
  /** The lease TTL of registrations, elections and ids; whole seconds. @default '15s' */
  readonly sessionTtl?: Duration;
  /** Where each room keeps its keys. @default /services, /config, /locks, /elections, /allocators */
  readonly prefixes?: Partial<Prefixes>;
  /** Keeps last-known-good configuration and endpoints on disk, for starts while etcd is away. @default none */
  readonly snapshot?: { readonly dir: string; readonly maxAge?: Duration };
  /** How the configuration centre works: scopes, codec, secrets, history. @default one scope, JSON, no history */
  readonly config?: ConfigOptions;
  /** Whether the application starts although etcd is away (snapshot, defaults), and connects later. @default false */
  readonly optional?: boolean;
}

export interface ResolvedCoord {
  readonly etcd: EtcdOptions;
  readonly sessionTtl: number;
  readonly prefixes: Prefixes;
  readonly snapshot?: SnapshotOptions;
  readonly optional: boolean;
}

const DEFAULT_PREFIXES: Prefixes = {
  services: '/services',
  config: '/config',
  locks: '/locks',
  elections: '/elections',
  allocators: '/allocators',
};

/** Validates and fills in. @throws ValidationError that names the option */
export function resolveCoordOptions(options: CoordOptions): ResolvedCoord {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError(
      'coord',
      "an object with etcd's endpoints, { endpoints: ['127.0.0.1:2379'] }",
      options,
    );
  }
  const { username, password, tls } = options;
  if (username !== undefined) checkString('coord.username', username);
  if (password !== undefined && username === undefined) {
    throw new ValidationError('coord.username', 'a user name where `coord.password` is given');
  }
  if (password !== undefined && typeof password !== 'string') {
    throw new ValidationError('coord.password', 'a string');
  }
  const span = (name: keyof CoordOptions, fallback: number, min: number): number =>
    parseDuration(`coord.${name}`, options[name] ?? fallback, { min });
  return {
    etcd: {
      endpoints: parseEndpoints('coord.endpoints', options.endpoints, tls !== undefined),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls: resolveTls(tls) }),
      dialTimeout: span('dialTimeout', 5_000, 100),
      requestTimeout: span('requestTimeout', 5_000, 100),
      keepAliveTime: span('keepAliveTime', 10_000, 5_000),
      keepAliveTimeout: span('keepAliveTimeout', 3_000, 100),
      progressInterval: span('progressInterval', 10_000, 100),
      progressTimeout: span('progressTimeout', 5_000, 100),
    },
    sessionTtl: span('sessionTtl', 15_000, 2_000),
    prefixes: resolvePrefixes(options.prefixes ?? {}),
    ...(options.snapshot && {
      snapshot: {
        dir: checkString('coord.snapshot.dir', options.snapshot.dir),
        maxAge: parseDuration('coord.snapshot.maxAge', options.snapshot.maxAge ?? Infinity, {
          infinite: true,
          min: 1_000,
        }),
      },
    }),
    optional: options.optional ?? false,
  };
}

function resolvePrefixes(given: Partial<Prefixes>): Prefixes {
  const names = Object.keys(DEFAULT_PREFIXES) as (keyof Prefixes)[];
  const prefixes = Object.fromEntries(
    names.map((name) => [name, checkPrefix(name, given[name] ?? DEFAULT_PREFIXES[name])]),
  ) as unknown as Prefixes;
  const within = (inner: keyof Prefixes, outer: keyof Prefixes): boolean =>
    `${prefixes[inner]}/`.startsWith(`${prefixes[outer]}/`);
  for (const name of names.filter((each) => given[each] !== undefined)) {
    const other = names.find((each) => each !== name && (within(name, each) || within(each, name)));
    if (other === undefined) continue;
    const takes = `a path of its own, neither above nor below that of another room (coord.prefixes.${other})`;
    throw new ValidationError(`coord.prefixes.${name}`, takes, prefixes[name]);
  }
  return prefixes;
}

function checkPrefix(name: string, prefix: unknown): string {
  if (typeof prefix === 'string' && /^(\/[A-Za-z0-9._-]+)+$/.test(prefix) && !prefix.includes('..'))
    return prefix;
  throw new ValidationError(
    `coord.prefixes.${name}`,
    "an absolute path such as '/services', without an empty segment, '..' or a slash at the end",
    prefix,
  );
}

function resolveTls({ ca, cert, key }: TlsOptions): NonNullable<EtcdOptions['tls']> {
  const authority = ca !== undefined && { ca: readCertificates('coord.tls.ca', ca) };
  if (cert === undefined && key === undefined) return { ...authority };
  if (cert === undefined || key === undefined) {
    throw new ValidationError('coord.tls', '`cert` and `key` together, or neither');
  }
  const own = readCertificates('coord.tls.cert', cert);
  return { ...authority, cert: own, key: readKeyOf(own, 'coord.tls.key', key) };
}
