import type { KeyValue } from '../etcd/kv.js';
import type { ConfigCodec } from './config-codec.js';
import type { Validated } from './config-schema.js';
import { deepFreeze } from './deep-freeze.js';

/** Reads each stored value once, however many look at it: entries of a mirror are the same objects until they change. */
export class ConfigDecoder {
  readonly #read = new WeakMap<KeyValue, Map<ConfigCodec, Validated<unknown>>>();

  decode(entry: KeyValue, codec: ConfigCodec): Validated<unknown> {
    let results = this.#read.get(entry);
    if (!results) this.#read.set(entry, (results = new Map()));
    let result = results.get(codec);
    if (!result) results.set(codec, (result = read(entry, codec)));
    return result;
  }
}

function read(entry: KeyValue, codec: ConfigCodec): Validated<unknown> {
  try {
    return { value: deepFreeze(codec.decode(entry.value)) };
  } catch {
    // What a parser says quotes what it read: it may be a secret.
    return { issues: [{ path: '', message: `is not ${codec.name}` }] };
  }
}
