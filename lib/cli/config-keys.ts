import { prefixRange } from '../coord/etcd/kv.js';
import type { CliIo } from './cli-io.js';
import { columns } from './columns.js';
import { shown } from './config-diff.js';
import { type ConfigFlags, toVersion } from './config-flags.js';
import { type ConfigStore, exactJson, toStored } from './config-store.js';
import { parseExact, stringifyExact } from './exact-json.js';
import { unlessStopped } from './interruption.js';
import { UsageError } from './usage.error.js';

export type Verb = (
  store: ConfigStore,
  words: readonly string[],
  flags: ConfigFlags,
  io: CliIo,
) => Promise<void>;

const get: Verb = async (store, [word], { json, text, reveal }, { stdout, signal }) => {
  const key = store.key(word!);
  const codec = text ? 'text' : exactJson;
  const { value, version } = await store.config.getWithVersion(key, { codec, linearizable: true, signal });
  const show = shown(store.secrets, reveal)(key, '', value);
  if (json) stdout(`${stringifyExact({ key, version: version.toString(), value: show })}\n`);
  else stdout(`${typeof show === 'string' && text ? show : stringifyExact(show, 2)}\n`);
};

const set: Verb = async (store, [word, given], flags, io) => {
  const key = store.key(word!);
  const raw = given === '-' ? await unlessStopped(readAll(io.stdin), io.signal) : given!;
  const value = flags.text ? raw : parseJson(raw);
  const options = {
    codec: flags.text ? ('text' as const) : exactJson,
    signal: io.signal,
    ...noteOf(flags),
  };
  const { config } = store;
  const version =
    flags.ifVersion === undefined
      ? await config.set(key, value, options)
      : await config.compareAndSet(key, value, flags.ifVersion, options);
  done(io, flags, { key, version: version.toString() }, `${key} has version ${version}\n`);
};

const remove: Verb = async (store, [word], flags, io) => {
  const key = store.key(word!);
  const deleted = await store.config.delete(key, { signal: io.signal, ...noteOf(flags) });
  done(io, flags, { key, deleted }, `${key} ${deleted ? 'is deleted' : 'did not exist'}\n`);
};

const ls: Verb = async (store, [word = ''], { json }, { stdout, signal }) => {
  const found = await store.list(store.folder(word), signal);
  if (json) {
    stdout(
      found.map(({ key, version }) => `${JSON.stringify({ key, version: version.toString() })}\n`).join(''),
    );
  } else {
    stdout(
      columns(
        ['KEY', 'VERSION'],
        found.map(({ key, version }) => [key, version.toString()]),
      ),
    );
  }
};

const watch: Verb = async (store, [word = ''], { json, reveal }, { stdout, signal }) => {
  const folder = store.folder(word);
  const exact = word === '' || word.endsWith('/') ? undefined : folder.slice(0, -1);
  const show = shown(store.secrets, reveal);
  const mirror = store.client.mirror(prefixRange(exact ?? folder));
  mirror.subscribe(({ changes, revision }) => {
    for (const { key, current } of changes) {
      if (key !== exact && !key.startsWith(folder)) continue;
      const type = current ? 'PUT' : 'DELETE';
      const version = (current?.modRevision ?? revision).toString();
      const value = current && show(key, '', toStored(current).value);
      stdout(
        json
          ? `${stringifyExact({ type, key, version, value })}\n`
          : `${type.padEnd(6)}  ${key}  ${version}${current ? `  ${stringifyExact(value)}` : ''}\n`,
      );
    }
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
};

const history: Verb = async (store, [word], { json, text }, { stdout, signal }) => {
  const entries = await store.config.history(store.key(word!), { signal, codec: text ? 'text' : exactJson });
  const rows = entries.map(({ version, at = '', author = '', reason = '', deleted, value }) => ({
    version: version.toString(),
    at,
    author,
    reason,
    deleted,
    value,
  }));
  if (json) stdout(rows.map((row) => `${stringifyExact(row)}\n`).join(''));
  else if (rows.length === 0) stdout('nothing was kept: write with --history\n');
  else {
    const cells = rows.map(({ version, at, author, reason, deleted, value }) => [
      version,
      at,
      author,
      reason,
      deleted ? '(deleted)' : value === undefined ? '(not JSON)' : stringifyExact(value),
    ]);
    stdout(columns(['VERSION', 'AT', 'AUTHOR', 'REASON', 'VALUE'], cells));
  }
};

const rollback: Verb = async (store, [word, version], flags, io) => {
  const key = store.key(word!);
  const to = toVersion(version!);
  const now = await store.config.rollback(key, to, { signal: io.signal, ...noteOf(flags) });
  done(io, flags, { key, version: now.toString() }, `${key} is as at ${to} again, with version ${now}\n`);
};

/** The commands on single keys, with how many words they take. */
export const KEY_VERBS: Readonly<
  Record<string, { readonly run: Verb; readonly words: readonly [number, number] }>
> = {
  get: { run: get, words: [1, 1] },
  set: { run: set, words: [2, 2] },
  delete: { run: remove, words: [1, 1] },
  ls: { run: ls, words: [0, 1] },
  watch: { run: watch, words: [0, 1] },
  history: { run: history, words: [1, 1] },
  rollback: { run: rollback, words: [2, 2] },
};

export function noteOf({ author, reason }: ConfigFlags): {
  readonly author?: string;
  readonly reason?: string;
} {
  return { ...(author !== undefined && { author }), ...(reason !== undefined && { reason }) };
}

function done({ stdout }: CliIo, { json }: ConfigFlags, result: object, text: string): void {
  stdout(json ? `${JSON.stringify(result)}\n` : text);
}

function parseJson(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    throw new UsageError(`a value is JSON, such as '{"max":5}' or '"text"'; --text takes it as it is`);
  }
}

async function readAll(stdin: CliIo['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString().replace(/\n$/, '');
}
