import { ConfigConflictError } from '../../errors/config-conflict.error.js';
import { ConfigInvalidError } from '../../errors/config-invalid.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import type { EtcdClient } from '../etcd/etcd.client.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { KeyValue, TxnResult } from '../etcd/kv.js';
import type { ConfigHistory } from './config-history.js';
import {
  expectations,
  futureOf,
  type TransactionBuilder,
  type Write,
  writeOps,
} from './config-transaction.js';
import type { RefusedWrite } from './live-views.js';
import type { ScopeSet } from './scope-set.js';

export interface WriteOptions extends CallOptions {
  /** Whether a value that a known schema refuses may not be written. @default true */
  readonly validate?: boolean;
  /** Who writes and why, kept in the history. */
  readonly author?: string;
  readonly reason?: string;
}

export interface Written {
  /** The store's revision after the write. */
  readonly revision: bigint;
  /** How many keys were deleted. */
  readonly deleted: number;
}

/** How long a write lets the first list of a scope that is being opened go ahead, so that watchers see the write as a change. */
const FIRST_LIST_WAIT = 1_000;

/** How often a recorded write is tried again because another writer came between. */
const MOST_ATTEMPTS = 20;

/** Asks the schemas that are known what they have against keys becoming what they would together; `undefined`: deleted. */
export type KnownSchemas = (
  writes: ReadonlyMap<string, KeyValue | undefined>,
) => Promise<RefusedWrite | undefined>;

/** The one way by which configuration is written. */
export class ConfigWriter {
  readonly #client: Pick<EtcdClient, 'commit'>;
  readonly #scopes: ScopeSet;
  readonly #known: KnownSchemas;
  readonly #history: ConfigHistory | undefined;

  constructor(
    client: Pick<EtcdClient, 'commit'>,
    scopes: ScopeSet,
    known: KnownSchemas,
    history: ConfigHistory | undefined,
  ) {
    this.#client = client;
    this.#scopes = scopes;
    this.#known = known;
    this.#history = history;
  }

  async write(
    { writes, expected }: TransactionBuilder,
    options: WriteOptions & { readonly record?: ConfigHistory } = {},
  ): Promise<Written> {
    const history = options.record ?? this.#history;
    if (writes.size === 0 && expected.size === 0) {
      throw new ValidationError('transaction', 'at least one set, delete or expect');
    }
    if (options.validate !== false) await this.#check(writes);
    await this.#letListsGoAhead(writes);
    for (let attempt = 1; ; attempt++) {
      const record = await history?.record(writes, options);
      const guards = new Map([...(record?.guards ?? []), ...expected]);
      const result = await this.#client.commit(
        {
          compare: expectations(guards),
          success: [...writeOps(writes), ...(record?.ops ?? [])],
          failure: [...guards.keys()].map((key) => ({ range: { key, keysOnly: true } })),
        },
        {
          ...(options.signal && { signal: options.signal }),
          ...(options.timeout !== undefined && { timeout: options.timeout }),
          // A write whose answer was lost is not repeated: what others wrote meanwhile would be lost, and watchers would see
          // it twice.
          idempotent: writes.size === 0,
        },
      );
      if (result.succeeded) return this.#written(writes, result);
      const conflict = this.#conflict(guards, expected, result);
      // Only the history had expected something: another writer came between its read and this write.
      if (conflict.expectedByCaller || attempt === MOST_ATTEMPTS) throw conflict.error;
    }
  }

  async #check(writes: ReadonlyMap<string, Write>): Promise<void> {
    const refused = await this.#known(futureOf(writes));
    if (refused) throw new ConfigInvalidError(refused.key, refused.issues);
  }

  async #letListsGoAhead(writes: ReadonlyMap<string, Write>): Promise<void> {
    const opening = [...writes.keys()].flatMap((key) =>
      this.#scopes
        .open(key)
        .filter((scope) => !scope.mirror.synced)
        .map((scope) => scope.mirror.ready({ timeout: FIRST_LIST_WAIT })),
    );
    // Not to be had in time: the write itself does not depend on it.
    await Promise.allSettled(opening);
  }

  #written(writes: ReadonlyMap<string, Write>, { revision, results }: TxnResult): Written {
    let deleted = 0;
    let at = 0;
    for (const [key, write] of writes) {
      const count = write === 'delete' ? (results[at]?.count ?? 0) : 0;
      at++;
      deleted += count;
      // A delete that found nothing makes no event to wait for.
      if (write !== 'delete' || count > 0) this.#owe(key, revision);
    }
    return { revision, deleted };
  }

  #conflict(
    guards: ReadonlyMap<string, bigint>,
    expected: ReadonlyMap<string, bigint>,
    { results }: TxnResult,
  ): { readonly error: ConfigConflictError; readonly expectedByCaller: boolean } {
    const found = [...guards].map(([key, version], at) => {
      const actual = results[at]?.kvs[0]?.modRevision ?? 0n;
      this.#owe(key, actual);
      return { key, version, actual };
    });
    const wrong = found.filter(({ version, actual }) => version !== actual);
    const first = wrong.find(({ key }) => expected.has(key)) ?? wrong[0] ?? found[0]!;
    return {
      error: new ConfigConflictError(first.key, first.version, first.actual),
      expectedByCaller: expected.has(first.key),
    };
  }

  #owe(key: string, revision: bigint): void {
    for (const scope of this.#scopes.open(key)) scope.owe(revision);
  }
}
