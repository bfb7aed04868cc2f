import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AppendFile } from '../../../lib/clog/append-file.js';
import type { WriteSome } from '../../../lib/clog/write-fully.js';

const root = mkdtempSync(join(tmpdir(), 'clog-append-'));
afterAll(() => rmSync(root, { recursive: true }));

let made = 0;
/** A file on a disk that takes as many more bytes as `room` says; `between` happens after a short write. */
function fullDisk(between: (path: string) => void = () => undefined) {
  const path = join(root, `${made++}.log`);
  const disk = { room: Infinity };
  const write: WriteSome = (fd, data, from = 0) => {
    const bytes = Buffer.from(data).subarray(from);
    if (disk.room === 0) {
      between(path);
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    }
    const written = writeSync(fd, bytes.subarray(0, disk.room));
    disk.room -= written;
    return written;
  };
  return { file: new AppendFile(path, write), disk, text: () => readFileSync(path, 'utf8') };
}

describe('what was written', () => {
  it('is on the disk for each who waits for it, also when another has asked before', async () => {
    const { file } = fullDisk();
    file.write('{"first":1}\n');
    let synced = false;
    const first = file.sync().then(() => (synced = true));
    await file.sync();
    expect(synced).toBe(true);
    await first;
    file.close();
  });
});

describe('a line that the disk takes only a part of', () => {
  it('leaves nothing of it behind', () => {
    const { file, disk, text } = fullDisk();
    file.write('{"first":1}\n');
    for (const room of [5, 0, 11]) {
      disk.room = room;
      expect(() => file.write('{"second":"é"}\n')).toThrow('no space left');
    }
    disk.room = Infinity;
    file.write('{"third":3}\n');
    expect(text()).toBe('{"first":1}\n{"third":3}\n');
    expect(file.size).toBe(24);
    file.close();
  });

  it('is ended before the next one where it cannot be taken back', () => {
    const { file, disk, text } = fullDisk((path) => appendFileSync(path, 'of another'));
    file.write('{"first":1}\n');
    disk.room = 5;
    expect(() => file.write('{"second":2}\n')).toThrow('no space left');
    disk.room = Infinity;
    file.write('{"third":3}\n');
    file.write('{"fourth":4}\n');
    expect(text()).toBe('{"first":1}\n{"secof another\n{"third":3}\n{"fourth":4}\n');
    expect(file.size).toBe(text().length);
    file.close();
  });
});

it('a short write without an error goes on where it stopped', () => {
  const path = join(root, 'short.log');
  const file = new AppendFile(path, (fd, data, from = 0) =>
    writeSync(fd, Buffer.from(data).subarray(from, from + 3)),
  );
  file.write('{"text":"é€😀"}\n');
  expect(readFileSync(path, 'utf8')).toBe('{"text":"é€😀"}\n');
  file.close();
});
