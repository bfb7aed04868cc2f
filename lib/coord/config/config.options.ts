import { ValidationError } from '../../errors/validation.error.js';
import { checkInteger } from '../../options/check.js';
import type { RoomContext } from '../etcd/room-context.js';
import { type ConfigCodecOption, resolveCodec } from './config-codec.js';
import { HISTORY_LIMIT } from './config-history.js';
import { type KeySpace, resolvePrefix } from './config-key.js';
import { type SecretPattern, SecretPolicy } from './secret-policy.js';

export interface ConfigOptions {
  /**
   * Absolute prefixes that are kept in memory, each by one mirror. All keys of one scope are always seen at one revision.
   * @default ['/config/{env}/']
   */
  readonly scopes?: readonly string[];
  /** How values are written where a call says nothing else. @default 'json' */
  readonly codec?: ConfigCodecOption;
  /**
   * Keys whose values are secrets, by text with `*` or by RegExp, beside those that their schema or their name makes one.
   * @default none
   */
  readonly secrets?: readonly SecretPattern[];
  /** Keeps the last values of each key that this process writes, with author and reason. @default false; `true`: 20 values */
  readonly history?: boolean | { readonly limit: number };
  /** Encrypts the snapshot on disk (AES-256-GCM), which then holds the secrets too. @default secrets are left out of it */
  readonly snapshotKey?: string | Buffer;
  /** Where the environment layer reads. @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface ResolvedConfigOptions {
  readonly space: KeySpace;
  /** Each with its closing `/`. */
  readonly scopes: readonly string[];
  readonly codec: ConfigCodecOption;
  readonly secrets: SecretPolicy;
  /** Values kept for each key; 0: none. */
  readonly history: number;
  readonly snapshotKey?: Buffer;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const SHORTEST_KEY = 16;

export function resolveConfigOptions(
  { prefixes, service }: Pick<RoomContext, 'prefixes' | 'service'>,
  options: ConfigOptions = {},
): ResolvedConfigOptions {
  const home = `${prefixes.config}/${service.env}`;
  const scopes = (options.scopes ?? [`${home}/`]).map((scope, at) => {
    if (typeof scope === 'string' && scope.startsWith('/')) {
      // A scope may lie anywhere: it is what opens its keys.
      return resolvePrefix(
        { service: home, global: home, roots: [scope.replace(/\/$/, '')] },
        scope,
        `config.scopes[${at}]`,
      );
    }
    throw new ValidationError(`config.scopes[${at}]`, `an absolute prefix such as '${home}/'`, scope);
  });
  if (scopes.length === 0) throw new ValidationError('config.scopes', 'at least one prefix', options.scopes);
  return {
    space: {
      service: `${home}/${service.name}`,
      global: `${home}/global`,
      roots: [prefixes.config, ...scopes.map((scope) => scope.slice(0, -1))],
    },
    scopes,
    codec: resolveCodec(options.codec, 'config.codec'),
    secrets: new SecretPolicy(options.secrets),
    history: historyLimit(options.history),
    ...(options.snapshotKey !== undefined && { snapshotKey: checkSnapshotKey(options.snapshotKey) }),
    env: options.env ?? process.env,
  };
}

function historyLimit(history: ConfigOptions['history']): number {
  if (history === undefined || history === false) return 0;
  if (history === true) return HISTORY_LIMIT;
  return checkInteger('config.history.limit', history.limit, 2, 1_000);
}

function checkSnapshotKey(key: unknown): Buffer {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (Buffer.isBuffer(bytes) && bytes.length >= SHORTEST_KEY) return bytes;
  throw new ValidationError('config.snapshotKey', `a text or buffer of at least ${SHORTEST_KEY} bytes`);
}
