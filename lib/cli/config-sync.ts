import { mkdir } from 'node:fs/promises';
import { EtcdRefusedError } from '../errors/etcd-refused.error.js';
import type { CliIo } from './cli-io.js';
import { changeToJson, type KeyChange, renderChange, shown } from './config-diff.js';
import { type FileValue, findConfigFiles, readConfigFiles, sameAs, writeConfigFile } from './config-files.js';
import type { ConfigFlags } from './config-flags.js';
import { noteOf, type Verb } from './config-keys.js';
import { type ConfigStore, exactJson, type StoredValue } from './config-store.js';
import { stringifyExact } from './exact-json.js';
import { unlessStopped } from './interruption.js';
import { UsageError } from './usage.error.js';

interface PlannedChange extends KeyChange {
  /** Written as a text, not as JSON. */
  readonly text: boolean;
}

/** Every key of some environments and services, with what the files say of it. */
async function plan(
  store: ConfigStore,
  dir: string,
  flags: ConfigFlags,
  io: CliIo,
): Promise<PlannedChange[]> {
  const files = new Map<string, FileValue>();
  for (const [name, file] of await readConfigFiles(dir))
    if (isChosen(name, flags)) files.set(store.key(name), file);
  const { found } = await chosen(store, flags, io);
  const stored = new Map(found.map((each) => [each.key, each]));
  const changes: PlannedChange[] = [];
  for (const [key, file] of files) {
    const now = stored.get(key);
    if (now && sameAs(now, file)) continue;
    const before = now && (file.text ? now.raw : now.value);
    changes.push({ key, before, after: file.value, version: now?.version ?? 0n, text: file.text });
  }
  if (flags.delete) changes.push(...deletions(store, files, found, io));
  return changes.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Only of services that have a file: a folder of one service says nothing of the others. */
function deletions(
  store: ConfigStore,
  files: ReadonlyMap<string, FileValue>,
  found: readonly StoredValue[],
  { stderr }: CliIo,
): PlannedChange[] {
  const services = new Set([...files.keys()].map((key) => serviceOf(store, key)));
  const extra = found.filter(({ key }) => !files.has(key));
  const others = extra.map(({ key }) => serviceOf(store, key)).filter((each) => !services.has(each));
  for (const service of new Set(others)) stderr(`${service} has no file: its keys are not deleted\n`);
  return extra
    .filter(({ key }) => services.has(serviceOf(store, key)))
    .map(({ key, value, version, text }) => ({ key, before: value, after: undefined, version, text }));
}

const diff: Verb = async (store, [dir], flags, io) => {
  show(store, await plan(store, dir!, flags, io), flags, io);
};

const push: Verb = async (store, [dir], flags, io) => {
  const changes = await plan(store, dir!, flags, io);
  show(store, changes, flags, io);
  const services = new Map<string, PlannedChange[]>();
  for (const change of changes) {
    const service = serviceOf(store, change.key);
    services.set(service, [...(services.get(service) ?? []), change]);
  }
  // Before anything is written or asked: half of the services would be neither the old state nor the new one.
  for (const [service, mine] of services) await checkSize(store, service, mine, flags, io);
  if (flags.dryRun || changes.length === 0) return;
  if (!flags.yes && !(await agreed(changes.length, io))) {
    io.stderr('nothing was written\n');
    return;
  }
  let at = 0;
  for (const [service, mine] of services) {
    const revision = await write(store, service, mine, flags, io);
    const progress = `${++at}/${services.size} ${service}: ${mine.length} written at revision ${revision}\n`;
    if (flags.json)
      io.stdout(`${JSON.stringify({ service, written: mine.length, revision: revision.toString() })}\n`);
    else io.stderr(progress);
  }
};

async function write(
  store: ConfigStore,
  service: string,
  changes: readonly PlannedChange[],
  flags: ConfigFlags,
  { signal }: CliIo,
): Promise<bigint> {
  signal.throwIfAborted();
  try {
    return await store.config.transaction(
      (tx) => {
        for (const { key, after, version, text } of changes) {
          tx.expect(key, version);
          if (after === undefined) tx.delete(key);
          else tx.set(key, after, { codec: text ? 'text' : exactJson });
        }
      },
      { signal, ...noteOf(flags) },
    );
  } catch (error) {
    // How many a history needs is known for sure only when its rings have been read.
    if (error instanceof EtcdRefusedError && error.reason.includes('too many operations')) {
      throw tooMany(service, changes.length, flags);
    }
    throw error;
  }
}

/** Each key is one operation; with a history at least two, and a third for what was there before the history began. */
async function checkSize(
  store: ConfigStore,
  service: string,
  changes: readonly PlannedChange[],
  flags: ConfigFlags,
  { signal }: CliIo,
): Promise<void> {
  const operations = changes.length * (flags.history ? 2 : 1);
  if (!(await store.takes(operations, signal))) throw tooMany(service, changes.length, flags);
}

function tooMany(service: string, keys: number, { history }: ConfigFlags): Error {
  const each = history ? 'each of them two or three with --history' : 'each of them one';
  return new Error(
    `${service}: ${keys} keys are more than one transaction takes: 128 operations (--max-txn-ops of etcd), ${each}. ` +
      'Nothing of this service was written. Push fewer of its files at a time, without --delete, or raise the limit',
  );
}

const pull: Verb = async (store, [dir], flags, io) => {
  const { found, foreign } = await chosen(store, flags, io);
  await mkdir(dir!, { recursive: true });
  const files = await findConfigFiles(dir!);
  for (const [at, stored] of found.entries()) {
    const name = stored.key.slice(store.prefix.length + 1);
    const file = await writeConfigFile(dir!, name, stored, files.get(name));
    if (flags.json) io.stdout(`${JSON.stringify({ key: stored.key, file })}\n`);
    else if (io.isTTY && at % 100 === 99) io.stderr(`${at + 1}/${found.length}\n`);
  }
  if (!flags.json) io.stdout(`${found.length} files\n`);
  if (foreign > 0) throw new Error(`not all keys could be pulled: ${foreign} passed over`);
};

/** The commands on folders, with how many words they take. */
export const SYNC_VERBS: Readonly<
  Record<string, { readonly run: Verb; readonly words: readonly [number, number] }>
> = {
  diff: { run: diff, words: [1, 1] },
  push: { run: push, words: [1, 1] },
  pull: { run: pull, words: [1, 1] },
};

/** What is stored, but for keys that are none: as paths, some of them would lead out of the folder. */
async function chosen(
  store: ConfigStore,
  flags: ConfigFlags,
  { signal, stderr }: CliIo,
): Promise<{ readonly found: readonly StoredValue[]; readonly foreign: number }> {
  const all = await store.list(store.folder(flags.env ?? ''), signal);
  const mine = all.filter(({ key }) => isChosen(key.slice(store.prefix.length + 1), flags));
  const found = mine.filter(({ key }) => store.isKey(key));
  for (const { key } of mine)
    if (!store.isKey(key)) stderr(`${JSON.stringify(key)} is passed over: it is no key\n`);
  return { found, foreign: mine.length - found.length };
}

function isChosen(name: string, { env, service }: ConfigFlags): boolean {
  const [itsEnv, itsService, component] = name.split('/');
  if (component === undefined) return false;
  return (env === undefined || env === itsEnv) && (service === undefined || service === itsService);
}

function serviceOf({ prefix }: ConfigStore, key: string): string {
  return key
    .slice(prefix.length + 1)
    .split('/', 2)
    .join('/');
}

function show(
  store: ConfigStore,
  changes: readonly KeyChange[],
  { json, reveal }: ConfigFlags,
  io: CliIo,
): void {
  const value = shown(store.secrets, reveal);
  const colour = io.isTTY && io.env['NO_COLOR'] === undefined;
  for (const change of changes) {
    io.stdout(
      json ? `${stringifyExact(changeToJson(change, value))}\n` : renderChange(change, value, colour),
    );
  }
  if (changes.length === 0 && !json) io.stdout('nothing differs\n');
}

async function agreed(count: number, { isTTY, stderr, stdin, signal }: CliIo): Promise<boolean> {
  if (!isTTY)
    throw new UsageError('nobody can be asked here: --yes writes without asking, --dry-run only shows');
  stderr(`write ${count === 1 ? 'this change' : `these ${count} changes`}? [y/N] `);
  const answer = async (): Promise<boolean> => {
    for await (const chunk of stdin) return /^y(es)?\s*$/i.test(Buffer.from(chunk).toString());
    return false;
  };
  return unlessStopped(answer(), signal);
}
