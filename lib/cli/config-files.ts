import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { parse } from 'yaml';
import { ValidationError } from '../errors/validation.error.js';

/** A value in a file: JSON that is stored as JSON, or a text that is stored as it is. */
export interface FileValue {
  /** Relative to the folder, for messages. */
  readonly file: string;
  readonly value: unknown;
  readonly text: boolean;
}

const KINDS: Readonly<Record<string, (text: string) => Pick<FileValue, 'value' | 'text'>>> = {
  '.json': (text) => ({ value: JSON.parse(text) as unknown, text: false }),
  '.yaml': (text) => ({ value: parse(text, { logLevel: 'error' }) as unknown, text: false }),
  '.yml': (text) => ({ value: parse(text, { logLevel: 'error' }) as unknown, text: false }),
  '.txt': (text) => ({ value: text, text: true }),
};

/** The values below a folder by `{env}/{service}/{component}`. Files of other kinds and hidden ones are passed over. */
export async function readConfigFiles(dir: string): Promise<Map<string, FileValue>> {
  const values = new Map<string, FileValue>();
  for (const path of await walk(dir)) {
    const file = relative(dir, path).split(sep).join('/');
    const [, name = '', ending = ''] = /^(.*?)(\.[^./]+)$/.exec(file) ?? [];
    const read = KINDS[ending];
    if (!read || name.split('/').length < 3) continue;
    const other = values.get(name);
    if (other) throw new ValidationError(dir, `one file for each key, not ${other.file} and ${file}`);
    values.set(name, { file, ...parseFile(file, await readFile(path, 'utf8'), read) });
  }
  return values;
}

/** Writes a value where {@link readConfigFiles} finds it. Only its owner may read it: it may hold secrets. */
export async function writeConfigFile(
  dir: string,
  name: string,
  value: unknown,
  text: boolean,
): Promise<string> {
  const file = `${name}${text ? '.txt' : '.json'}`;
  const path = join(dir, ...file.split('/'));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text ? String(value) : `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  return file;
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

function parseFile(
  file: string,
  text: string,
  read: (text: string) => Pick<FileValue, 'value' | 'text'>,
): Pick<FileValue, 'value' | 'text'> {
  try {
    return read(text);
  } catch {
    // A parser's message quotes the text, which may hold a secret.
    throw new ValidationError(file, file.endsWith('.json') ? 'JSON' : 'YAML');
  }
}
