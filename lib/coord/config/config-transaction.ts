import { ValidationError } from '../../errors/validation.error.js';
import type { Compare, KeyValue, Op } from '../etcd/kv.js';
import { type ConfigCodecOption, encodeValue, resolveCodec } from './config-codec.js';
import { type KeySpace, resolveKey } from './config-key.js';

/** What a transaction does to one key: the bytes that it gets, or its deletion. */
export type Write = Buffer | 'delete';

/** Several keys in one revision: all of it happens, or nothing. Later calls for the same key replace earlier ones. */
export interface ConfigTransaction {
  set(key: string, value: unknown, options?: { readonly codec?: ConfigCodecOption }): this;
  delete(key: string): this;
  /** Nothing happens unless the key has this version; `0n`: unless it does not exist. */
  expect(key: string, version: bigint): this;
}

/** Collects what a transaction does; checks each argument as it comes. */
export class TransactionBuilder implements ConfigTransaction {
  readonly writes = new Map<string, Write>();
  readonly expected = new Map<string, bigint>();
  readonly #space: KeySpace;
  readonly #codec: ConfigCodecOption | undefined;

  constructor(space: KeySpace, codec?: ConfigCodecOption) {
    this.#space = space;
    this.#codec = codec;
  }

  set(key: string, value: unknown, options: { readonly codec?: ConfigCodecOption } = {}): this {
    const name = resolveKey(this.#space, key);
    const codec = resolveCodec(options.codec ?? this.#codec);
    this.writes.set(name, Buffer.from(encodeValue(codec, value)));
    return this;
  }

  /** Bytes as they are, of a value that was written before. */
  setBytes(key: string, bytes: Buffer): this {
    this.writes.set(resolveKey(this.#space, key), bytes);
    return this;
  }

  delete(key: string): this {
    this.writes.set(resolveKey(this.#space, key), 'delete');
    return this;
  }

  expect(key: string, version: bigint): this {
    if (typeof version !== 'bigint' || version < 0n) {
      throw new ValidationError(
        'version',
        "a bigint of at least 0n: a key's version, or 0n for 'must not exist'",
        version,
      );
    }
    this.expected.set(resolveKey(this.#space, key), version);
    return this;
  }
}

export function writeOps(writes: ReadonlyMap<string, Write>): Op[] {
  return [...writes].map(([key, write]) =>
    write === 'delete' ? { delete: { key } } : { put: { key, value: write } },
  );
}

/** The keys as they will be, to be judged before they are written; a deleted one is `undefined`. */
export function futureOf(writes: ReadonlyMap<string, Write>): Map<string, KeyValue | undefined> {
  const unknown = { createRevision: 0n, modRevision: 0n, version: 0n, lease: 0n };
  return new Map(
    [...writes].map(([key, write]) => [
      key,
      write === 'delete' ? undefined : { key, value: write, ...unknown },
    ]),
  );
}

export function expectations(expected: ReadonlyMap<string, bigint>): Compare[] {
  // The mod revision of a key that does not exist compares as 0.
  return [...expected].map(([key, value]) => ({ key, target: 'mod', op: '=', value }));
}
