import type { CallOptions } from '../etcd/etcd.options.js';
import type { ConfigCodecOption } from './config-codec.js';
import type { ConfigSchema } from './config-schema.js';
import type { WriteOptions } from './config-writer.js';
import type { BeforeApply } from './veto.js';

export interface SetOptions<T> extends WriteOptions {
  /** The value must satisfy it, beside the schemas of live views on the key, or it is not written. @default none */
  readonly schema?: ConfigSchema<T>;
  /** How the value is written. @default the centre's codec, JSON */
  readonly codec?: ConfigCodecOption;
}

export interface WatchOptions<T> {
  /** Values that do not satisfy it are never delivered. @default any JSON */
  readonly schema?: ConfigSchema<T>;
  readonly codec?: ConfigCodecOption;
}

export interface WatchKeyOptions<T> extends WatchOptions<T> {
  /** Delivered while the key does not exist. @default undefined is */
  readonly default?: T;
}

export interface LiveOptions<T> extends CallOptions {
  readonly schema?: ConfigSchema<T>;
  /** The lowest layer: what holds where the key says nothing else. */
  readonly default?: unknown;
  readonly codec?: ConfigCodecOption;
  readonly onBeforeApply?: BeforeApply<T>;
}
