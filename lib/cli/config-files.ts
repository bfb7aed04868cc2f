import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { ValidationError } from '../errors/validation.error.js';
import type { StoredValue } from './config-store.js';
import { parseExact, stringifyExact } from './exact-json.js';

/** A value in a file: JSON that is stored as JSON, or a text that is stored as it is. */
export interface FileValue {
  readonly value: unknown;
  readonly text: boolean;
}

interface FileKind {
  read(text: string): FileValue;
  write(stored: StoredValue): string;
}

const YAML = { logLevel: 'error', intAsBigInt: true } as const;

const json: FileKind = {
  read: (text) => ({ value: parseExact(text), text: false }),
  write: ({ value }) => `${stringifyExact(value, 2)}\n`,
};
const yaml: FileKind = {
  read: (text) => ({ value: parse(text, readYamlNumber, YAML) as unknown, text: false }),
  // By way of its JSON: numbers that are kept as they are written are texts in the value.
  write: ({ value }) => stringify(parse(stringifyExact(value), YAML)),
};
const text: FileKind = {
  read: (content) => ({ value: content, text: true }),
  write: ({ raw }) => raw,
};
const KINDS: Readonly<Record<string, FileKind>> = {
  '.json': json,
  '.yaml': yaml,
  '.yml': yaml,
  '.txt': text,
};

/** The values below a folder by `{env}/{service}/{component}`. Files of other kinds and hidden ones are passed over. */
export async function readConfigFiles(dir: string): Promise<Map<string, FileValue>> {
  const values = new Map<string, FileValue>();
  for (const [name, file] of await findConfigFiles(dir)) {
    values.set(name, readAs(file, await readFile(join(dir, ...file.split('/')), 'utf8')));
  }
  return values;
}

/** The files, each relative to the folder, by the name of what they hold. */
export async function findConfigFiles(dir: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const path of await walk(dir)) {
    const file = relative(dir, path).split(sep).join('/');
    const [, name = ''] = ENDING.exec(file) ?? [];
    if (!kindOf(file) || name.split('/').length < 3) continue;
    const other = files.get(name);
    if (other) throw new ValidationError(dir, `one file for each key, not ${other} and ${file}`);
    files.set(name, file);
  }
  return files;
}

/**
 * Writes a value where {@link readConfigFiles} finds it: into the file that holds it already, of whichever kind that is, as
 * long as it says something else. Only the owner may read a new one: it may hold secrets.
 */
export async function writeConfigFile(
  dir: string,
  name: string,
  stored: StoredValue,
  existing: string | undefined,
): Promise<string> {
  const at = (file: string): string => join(dir, ...file.split('/'));
  // A text that is no JSON has no place in a file of another kind.
  const stays = existing !== undefined && (kindOf(existing) === text || !stored.text);
  const file = stays ? existing : `${name}${stored.text ? '.txt' : '.json'}`;
  if (stays && sameAs(stored, readAs(file, await readFile(at(file), 'utf8')))) return file;
  await mkdir(dirname(at(file)), { recursive: true });
  await writeFile(at(file), kindOf(file)!.write(stored), { mode: 0o600 });
  if (existing !== undefined && !stays) await rm(at(existing));
  return file;
}

/** Whether a push of the file would change nothing: a text by its bytes, JSON by what it says. */
export function sameAs(stored: StoredValue, { value, text: isText }: FileValue): boolean {
  if (isText) return stored.raw === value;
  return !stored.text && isDeepStrictEqual(stored.value, value);
}

const ENDING = /^(.*?)(\.[^./]+)$/;

function kindOf(file: string): FileKind | undefined {
  const ending = ENDING.exec(file)?.[2] ?? '';
  return Object.hasOwn(KINDS, ending) ? KINDS[ending] : undefined;
}

/** YAML's integers come as bigint, so that one which a number cannot hold is not changed in silence. */
function readYamlNumber(_: unknown, value: unknown): unknown {
  return typeof value === 'bigint' ? parseExact(value.toString()) : value;
}

async function walk(dir: string): Promise<string[]> {
  let entries;
  try {
    entries = await readdir(dir, { withFileTypes: true });
  } catch (error) {
    throw new ValidationError(
      dir,
      `a folder that can be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
    );
  }
  const paths = await Promise.all(
    entries
      .filter(({ name }) => !name.startsWith('.'))
      .map(async (entry) => (entry.isDirectory() ? walk(join(dir, entry.name)) : [join(dir, entry.name)])),
  );
  return paths.flat().sort();
}

function readAs(file: string, content: string): FileValue {
  try {
    return kindOf(file)!.read(content);
  } catch {
    // A parser's message quotes the text, which may hold a secret.
    throw new ValidationError(file, file.endsWith('.json') ? 'JSON' : 'YAML');
  }
}
