import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** First line of the file; the body follows. */
interface Header {
  readonly format: 1;
  /** Of the body as it stands in the file. */
  readonly sha256: string;
  /** Of an encrypted body: salt of the key, initialisation vector and authentication tag. */
  readonly cipher?: { readonly salt: string; readonly iv: string; readonly tag: string };
}

const DRAFT = '.tmp';
/** A write takes milliseconds; a disk that needs a minute for it is not served by a second writer either. */
const DRAFT_AGE = 60_000;

/** The file is there and cannot be used: torn, changed, or encrypted with another key. */
export class SnapshotUnreadable extends Error {
  override readonly name = 'SnapshotUnreadable';
}

/**
 * Replaces the file as a whole: whoever reads it, after whatever crash, finds the state before or the state after. Only the
 * owner may read it. With a key the text is encrypted (AES-256-GCM, the key stretched by scrypt).
 */
export async function writeSnapshot(path: string, text: string, key?: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { body, cipher } = key ? encrypt(text, key) : { body: Buffer.from(text), cipher: undefined };
  const header: Header = { format: 1, sha256: digest(body), ...(cipher && { cipher }) };
  // A name of its own: instances in containers have the same process id, and may share the folder.
  const draft = `${path}.${randomBytes(8).toString('hex')}${DRAFT}`;
  try {
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  // Without this the rename itself may be lost with the power.
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Removes what writers left behind that were killed. A draft that is young may still be written by another instance. */
export async function removeDrafts(path: string, now: number): Promise<void> {
  const names = await readdir(dirname(path)).catch(() => []);
  const drafts = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(DRAFT));
  for (const name of drafts) {
    const draft = join(dirname(path), name);
    const written = await stat(draft).catch(() => undefined);
    if (written && now - written.mtimeMs > DRAFT_AGE) await rm(draft, { force: true });
  }
}

/** `undefined`: there is no file. @throws SnapshotUnreadable */
export async function readSnapshot(path: string, key?: Buffer): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const end = bytes.indexOf(0x0a);
  const body = bytes.subarray(end + 1);
  const header = parseHeader(bytes.subarray(0, Math.max(end, 0)).toString());
  if (!header || digest(body) !== header.sha256) throw new SnapshotUnreadable('the checksum is wrong');
  if (!header.cipher) return body.toString();
  if (!key) throw new SnapshotUnreadable('it is encrypted, and there is no key');
  return decrypt(body, header.cipher, key);
}

function parseHeader(line: string): Header | undefined {
  try {
    const header = JSON.parse(line) as Partial<Header>;
    return header.format === 1 && typeof header.sha256 === 'string' ? (header as Header) : undefined;
  } catch {
    return undefined;
  }
}

function encrypt(text: string, key: Buffer): { body: Buffer; cipher: NonNullable<Header['cipher']> } {
  const salt = randomBytes(16);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', stretch(key, salt), iv);
  const body = Buffer.concat([cipher.update(text), cipher.final()]);
  const tag = cipher.getAuthTag().toString('base64');
  return { body, cipher: { salt: salt.toString('base64'), iv: iv.toString('base64'), tag } };
}

function decrypt(body: Buffer, { salt, iv, tag }: NonNullable<Header['cipher']>, key: Buffer): string {
  try {
    const secret = stretch(key, Buffer.from(salt, 'base64'));
    const decipher = createDecipheriv('aes-256-gcm', secret, Buffer.from(iv, 'base64'), {
      authTagLength: 16,
    });
    decipher.setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decipher.update(body), decipher.final()]).toString();
  } catch (cause) {
    throw new SnapshotUnreadable('it was encrypted with another key', { cause });
  }
}

/** 2^12 rounds, 4 MiB, some 10 ms: keys are random texts, and the file is written at most once a second. */
function stretch(key: Buffer, salt: Buffer): Buffer {
  return scryptSync(key, salt, 32, { N: 2 ** 12 });
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
