import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { ConfigDecoder } from './config-decoder.js';
import type { Judgements } from './judgements.js';
import { REDACTED } from './secret.js';
import type { SecretPolicy } from './secret-policy.js';

/** What happened to a key. */
export interface ConfigEvent<T> {
  readonly type: 'PUT' | 'DELETE';
  /** Absolute. */
  readonly key: string;
  /**
   * What was put; left out of a deletion and of a value that is not what the codec reads. Secrets in it are not shown; of a
   * value that a view in this process refuses, or has not judged yet, nothing is shown: where its secrets are is not known.
   */
  readonly value?: T;
  /** The key's mod revision; of a deletion the revision that deleted it. */
  readonly version: bigint;
}

export function toEvent<T>(
  { key, current }: { readonly key: string; readonly current: KeyValue | undefined },
  revision: bigint,
  codec: ConfigCodec,
  deps: { readonly decoder: ConfigDecoder; readonly secrets: SecretPolicy; readonly judgements: Judgements },
): ConfigEvent<T> {
  if (!current) return { type: 'DELETE', key, version: revision };
  const version = current.modRevision;
  const decoded = deps.decoder.decode(current, codec);
  if (decoded.issues || decoded.value === undefined) return { type: 'PUT', key, version };
  const value = deps.judgements.doubted().has(key) ? REDACTED : deps.secrets.redact([key], decoded.value);
  return { type: 'PUT', key, version, value: value as T };
}
