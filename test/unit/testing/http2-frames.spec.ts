import { connect } from 'node:http2';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { DATA, HEADERS, Http2Frames, OPAQUE } from '../../../lib/testing/faults/http2-frames.js';
import { requestPath } from '../../../lib/testing/faults/request-path.js';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, streamId: number, payload: Buffer | string, flags = 0): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, body]);
}

const SETTINGS = frame(4, 0, '');

/** Reads a byte stream that TCP has cut into pieces of `size`. */
function read(from: 'client' | 'server', bytes: Buffer, size: number) {
  const frames = new Http2Frames(from);
  const parts = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(...frames.read(bytes.subarray(at, at + size)));
  return parts;
}

describe('Http2Frames', () => {
  const bytes = Buffer.concat([
    PREFACE,
    SETTINGS,
    frame(DATA, 1, 'hello'),
    frame(DATA, 3, ''),
    frame(DATA, 1, 'x', 1),
  ]);

  it.each([1, 2, 7, 8, 9, 10, 23, 24, 25, 1_000])('passes every byte in pieces of %d', (size) => {
    expect(Buffer.concat(read('client', bytes, size).map((part) => part.bytes))).toEqual(bytes);
  });

  it.each([1, 2, 7, 8, 9, 10, 23, 24, 25, 1_000])(
    'sees each frame begin and end once in pieces of %d',
    (size) => {
      const parts = read('client', bytes, size).filter(({ type }) => type === DATA);
      expect(parts.filter(({ first }) => first).map(({ streamId }) => streamId)).toEqual([1, 3, 1]);
      expect(parts.filter(({ last }) => last).map(({ streamId }) => streamId)).toEqual([1, 3, 1]);
    },
  );

  it('expects no preface from the server', () => {
    const parts = read('server', Buffer.concat([SETTINGS, frame(DATA, 1, 'hi')]), 1_000);
    expect(parts.map(({ type }) => type)).toEqual([4, DATA]);
  });

  it.each([
    ['client', 'GET / HTTP/1.1\r\n\r\n'],
    ['client', 'PRI * HTTP/2.1 or so, and more'],
    ['server', 'HTTP/1.1 200 OK\r\n\r\n'],
  ] as const)('passes what a %s says in another protocol as it is: %j', (from, text) => {
    for (const size of [1, 5, 1_000]) {
      const parts = read(from, Buffer.from(text), size);
      expect(Buffer.concat(parts.map((part) => part.bytes)).toString()).toBe(text);
      expect(new Set(parts.map(({ type }) => type))).toEqual(new Set([OPAQUE]));
    }
  });
});

describe('requestPath', () => {
  /** The HEADERS frames that Node's HTTP/2 client really sends. */
  const sent = async (paths: readonly string[]) => {
    const [client, server] = duplexPair();
    const session = connect('http://spec', { createConnection: () => client });
    session.on('error', () => {});
    const frames = new Http2Frames('client');
    const found: (string | undefined)[] = [];
    const all = new Promise<void>((resolve) => {
      server.on('data', (chunk: Buffer) => {
        for (const part of frames.read(chunk)) {
          if (part.type === HEADERS && part.headers) found.push(requestPath(part.headers, part.flags));
          if (found.length === paths.length) resolve();
        }
      });
    });
    for (const path of paths) {
      session
        .request({ ':method': 'POST', ':path': path, te: 'trailers', 'content-type': 'application/grpc' })
        .on('error', () => {});
    }
    await all;
    session.destroy();
    return found;
  };

  it('reads the method that a client calls, also when it calls it again', async () => {
    const paths = [
      '/etcdserverpb.Watch/Watch',
      '/etcdserverpb.KV/Txn',
      '/etcdserverpb.KV/Txn',
      '/etcdserverpb.Lease/LeaseKeepAlive',
      '/user.v1.UserService/GetUser_2',
    ];
    expect(await sent(paths)).toEqual(paths);
  });

  it('reads a literal that is not compressed, behind padding and priority', () => {
    const block = Buffer.concat([Buffer.from([0x83, 0x04, 4]), Buffer.from('/a.b')]);
    const payload = Buffer.concat([Buffer.from([2]), Buffer.alloc(5), block, Buffer.alloc(2)]);
    expect(requestPath(block, 0)).toBe('/a.b');
    expect(requestPath(payload, 0x08 | 0x20)).toBe('/a.b');
  });

  it('knows no path where there is none', () => {
    expect(requestPath(Buffer.from([0x83, 0x86]), 0)).toBeUndefined();
    expect(requestPath(Buffer.alloc(0), 0)).toBeUndefined();
  });

  it('never throws, whatever the bytes', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const bytes = Buffer.from(Array.from({ length: seed % 40 }, (_, i) => (seed * 31 + i * i * 17) & 0xff));
      expect(() => requestPath(bytes, seed & 0xff)).not.toThrow();
    }
  });
});
