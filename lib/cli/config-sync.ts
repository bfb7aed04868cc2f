import { isDeepStrictEqual } from 'node:util';
import type { CliIo } from './cli-io.js';
import { changeToJson, type KeyChange, renderChange, shown } from './config-diff.js';
import { type FileValue, readConfigFiles, writeConfigFile } from './config-files.js';
import type { ConfigFlags } from './config-flags.js';
import { noteOf, type Verb } from './config-keys.js';
import type { ConfigStore, StoredValue } from './config-store.js';
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
  signal: AbortSignal,
): Promise<PlannedChange[]> {
  const files = new Map<string, FileValue>();
  for (const [name, file] of await readConfigFiles(dir))
    if (isChosen(name, flags)) files.set(store.key(name), file);
  const stored = new Map((await chosen(store, flags, signal)).map((each) => [each.key, each]));
  // Only services that have a file: a folder of one service says nothing of the others.
  const services = new Set([...files.keys()].map((key) => serviceOf(store, key)));
  const changes: PlannedChange[] = [];
  for (const [key, { value, text }] of files) {
    const now = stored.get(key);
    if (now && now.text === text && isDeepStrictEqual(now.value, value)) continue;
    changes.push({ key, before: now?.value, after: value, version: now?.version ?? 0n, text });
  }
  for (const [key, { value, version, text }] of stored) {
    if (!flags.delete || files.has(key) || !services.has(serviceOf(store, key))) continue;
    changes.push({ key, before: value, after: undefined, version, text });
  }
  return changes.sort((a, b) => (a.key < b.key ? -1 : 1));
}

const diff: Verb = async (store, [dir], flags, io) => {
  show(store, await plan(store, dir!, flags, io.signal), flags, io);
};

const push: Verb = async (store, [dir], flags, io) => {
  const changes = await plan(store, dir!, flags, io.signal);
  show(store, changes, flags, io);
  if (flags.dryRun || changes.length === 0) return;
  if (!flags.yes && !(await agreed(changes.length, io))) {
    io.stderr('nothing was written\n');
    return;
  }
  const services = new Map<string, PlannedChange[]>();
  for (const change of changes) {
    const service = serviceOf(store, change.key);
    services.set(service, [...(services.get(service) ?? []), change]);
  }
  let at = 0;
  for (const [service, mine] of services) {
    const revision = await store.config.transaction(
      (tx) => {
        for (const { key, after, version, text } of mine) {
          tx.expect(key, version);
          if (after === undefined) tx.delete(key);
          else tx.set(key, after, { codec: text ? 'text' : 'json' });
        }
      },
      { signal: io.signal, ...noteOf(flags) },
    );
    const progress = `${++at}/${services.size} ${service}: ${mine.length} written at revision ${revision}\n`;
    if (flags.json)
      io.stdout(`${JSON.stringify({ service, written: mine.length, revision: revision.toString() })}\n`);
    else io.stderr(progress);
  }
};

const pull: Verb = async (store, [dir], flags, io) => {
  const found = await chosen(store, flags, io.signal);
  for (const [at, { key, value, text }] of found.entries()) {
    // Another tool may have written a key that, as a path, leads out of the folder.
    const file = await writeConfigFile(dir!, store.key(key).slice(store.prefix.length + 1), value, text);
    if (flags.json) io.stdout(`${JSON.stringify({ key, file })}\n`);
    else if (io.isTTY && at % 100 === 99) io.stderr(`${at + 1}/${found.length}\n`);
  }
  if (!flags.json) io.stdout(`${found.length} files\n`);
};

/** The commands on folders, with how many words they take. */
export const SYNC_VERBS: Readonly<
  Record<string, { readonly run: Verb; readonly words: readonly [number, number] }>
> = {
  diff: { run: diff, words: [1, 1] },
  push: { run: push, words: [1, 1] },
  pull: { run: pull, words: [1, 1] },
};

async function chosen(store: ConfigStore, flags: ConfigFlags, signal: AbortSignal): Promise<StoredValue[]> {
  const folder = store.folder(flags.env ?? '');
  const all = await store.list(folder, signal);
  return all.filter(({ key }) => isChosen(key.slice(store.prefix.length + 1), flags));
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
      json ? `${JSON.stringify(changeToJson(change, value))}\n` : renderChange(change, value, colour),
    );
  }
  if (changes.length === 0 && !json) io.stdout('nothing differs\n');
}

async function agreed(count: number, { isTTY, stderr, stdin }: CliIo): Promise<boolean> {
  if (!isTTY)
    throw new UsageError('nobody can be asked here: --yes writes without asking, --dry-run only shows');
  stderr(`write ${count === 1 ? 'this change' : `these ${count} changes`}? [y/N] `);
  for await (const chunk of stdin) return /^y(es)?\s*$/i.test(Buffer.from(chunk).toString());
  return false;
}
