import {
  type ClientHttp2Session,
  createServer,
  constants,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type ChannelOptions, Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DirectStream } from '../../../lib/coord/etcd/direct-stream.js';
import { BorrowedConnection, type Channel, GrpcChannel } from '../../../lib/coord/etcd/grpc-channel.js';
import { statusError } from '../../../lib/coord/etcd/grpc-status.js';
import { RpcFailure } from '../../../lib/coord/etcd/rpc-failure.js';

interface PrivateChannel {
  internalChannel: {
    doPick(
      metadata: Metadata,
      info: object,
    ): { subchannel: { getRealSubchannel(): { transport: { session: ClientHttp2Session } } } };
  };
}

type Answer = (stream: ServerHttp2Stream) => void;

let server: Http2Server;
let client: Client;
let channel: Channel;
let metadata: Metadata;
let grpc: GrpcChannel;
let received: { path: unknown; token: unknown; body: Buffer }[];
let sessions: ServerHttp2Session[];
let answer: Answer;

const HEAD = { ':status': 200, 'content-type': 'application/grpc' };
const framed = (message: Buffer, length = message.length): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
};
const says =
  (body: Buffer, trailers: Record<string, string> = { 'grpc-status': '0' }): Answer =>
  (stream) => {
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  };
const refuses =
  (status: number, message: string): Answer =>
  (stream) =>
    stream.respond({ ...HEAD, 'grpc-status': status, 'grpc-message': message }, { endStream: true });

beforeEach(async () => {
  received = [];
  sessions = [];
  answer = says(framed(Buffer.from('hello')));
  server = createServer();
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream, headers) => {
    const body: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => body.push(chunk));
    stream.on('end', () => {
      // Without a message it was no call.
      if (body.length === 0) return;
      received.push({ path: headers[':path'], token: headers['token'], body: Buffer.concat(body) });
      answer(stream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new Client(`127.0.0.1:${(server.address() as AddressInfo).port}`, credentials.createInsecure());
  channel = client.getChannel();
  metadata = new Metadata();
  grpc = new GrpcChannel(channel, metadata, 'etcd:2379');
});
afterEach(async () => {
  client.close();
  for (const session of sessions) session.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const reconnect = (options: ChannelOptions): void => {
  const target = client.getChannel().getTarget().replace('dns:', '');
  client.close();
  client = new Client(target, credentials.createInsecure(), options);
  channel = client.getChannel();
  grpc = new GrpcChannel(channel, metadata, 'etcd:2379');
};
const call = (request = Buffer.from('ask')): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    grpc.unary('/Service/Method', request, (code, details, message) =>
      code === 0 ? resolve(message!) : reject(new RpcFailure(statusError(code, details))),
    );
  });
const failure = (): Promise<RpcFailure> =>
  call().then(
    () => Promise.reject(new Error('it was answered')),
    (error: RpcFailure) => error,
  );
/** grpc-js' own, by the private way that the library takes. */
const sessionOf = (from: Channel): ClientHttp2Session =>
  (from as unknown as PrivateChannel).internalChannel.doPick(metadata, {}).subchannel.getRealSubchannel()
    .transport.session;
const borrowed = (): boolean => BorrowedConnection.of(channel, metadata) !== undefined;

it('goes through the layers of grpc-js while there is no connection, and then on the connection of the channel', async () => {
  expect(borrowed()).toBe(false);
  expect((await call()).toString()).toBe('hello');
  expect(borrowed()).toBe(true);
  expect((await call()).toString()).toBe('hello');
  expect(sessions).toHaveLength(1);
  expect(received.map(({ path, body }) => [path, body])).toEqual([
    ['/Service/Method', framed(Buffer.from('ask'))],
    ['/Service/Method', framed(Buffer.from('ask'))],
  ]);
});

it('stays with the layers where grpc-js does not show its connection', async () => {
  const plain: Channel = { createCall: channel.createCall.bind(channel) };
  grpc = new GrpcChannel(plain, metadata, 'etcd:2379');
  for (let i = 0; i < 2; i++) expect((await call()).toString()).toBe('hello');
  expect(BorrowedConnection.of(plain, metadata)).toBeUndefined();
  answer = refuses(5, 'not here');
  expect(await failure()).toMatchObject({ code: 5, reason: 'not here', fate: 'refused' });
});

describe.each(['through the layers', 'on the connection'])('%s', (way) => {
  beforeEach(async () => {
    if (way === 'on the connection') await call();
    received = [];
  });

  it('reads an empty and a large message, and sends a large one', async () => {
    answer = says(framed(Buffer.alloc(0)));
    expect(await call(Buffer.alloc(0))).toHaveLength(0);
    const large = Buffer.alloc(3_000_000, 'x');
    answer = says(framed(large));
    expect((await call(large)).equals(large)).toBe(true);
    expect(received[1]!.body).toHaveLength(large.length + 5);
  });

  it('tells the status that the server gives, before or after a message', async () => {
    answer = refuses(9, 'etcdserver: 100%25 “full”'.replace('“', '%E2%80%9C').replace('”', '%E2%80%9D'));
    expect(await failure()).toMatchObject({ code: 9, reason: 'etcdserver: 100% “full”', fate: 'refused' });
    answer = says(framed(Buffer.from('x')), { 'grpc-status': '14', 'grpc-message': 'etcdserver: no leader' });
    expect(await failure()).toMatchObject({ code: 14, reason: 'etcdserver: no leader', fate: 'not-run' });
    answer = refuses(2, 'a stray %');
    expect((await failure()).reason).toBe('a stray %');
  });

  it('does not know what became of a call whose connection ends', async () => {
    answer = (stream) => stream.session!.destroy();
    expect(await failure()).toMatchObject({ code: 14, fate: 'unknown', doubt: true });
    answer = says(framed(Buffer.from('back')));
    expect((await call()).toString()).toBe('back');
  });

  it('knows that a refused stream did not run', async () => {
    let first = true;
    answer = (stream) => {
      if (!first) return says(framed(Buffer.from('at last')))(stream);
      first = false;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    };
    // grpc-js sends it again by itself.
    if (way === 'through the layers') expect((await call()).toString()).toBe('at last');
    else expect(await failure()).toMatchObject({ code: 14, fate: 'not-run' });
  });

  it.each([
    ['another code', constants.NGHTTP2_INTERNAL_ERROR],
    ['a plea for calm', constants.NGHTTP2_ENHANCE_YOUR_CALM],
    ['a cancellation', constants.NGHTTP2_CANCEL],
    ['no reason', constants.NGHTTP2_NO_ERROR],
  ])('does not know what became of a stream that is ended with %s', async (_, code) => {
    answer = (stream) => stream.close(code);
    expect(await failure()).toMatchObject({ fate: 'unknown', doubt: true });
  });

  it('does not take an answer of something else than gRPC for a refusal of etcd', async () => {
    answer = (stream) => {
      stream.respond({ ':status': 503 });
      stream.end('<html>away</html>');
    };
    expect(await failure()).toMatchObject({ code: 14, fate: 'unknown' });
  });

  it('takes a broken or missing message for no answer', async () => {
    answer = says(framed(Buffer.from('short'), 50));
    expect(await failure()).toMatchObject({ fate: 'unknown' });
    answer = says(Buffer.alloc(0));
    expect(await failure()).toMatchObject({ code: 13, fate: 'unknown' });
  });

  it('lets go of the connection when it is cancelled, whether or not the other side can hear of it', async () => {
    if (way === 'through the layers') return;
    const held = vi.spyOn(sessionOf(channel), 'unref');
    const cancel = grpc.unary('/Service/Method', Buffer.from('ask'), () => undefined);
    expect(held).not.toHaveBeenCalled();
    cancel('enough');
    expect(held).toHaveBeenCalledTimes(1);
  });

  it('ends on the server when it is cancelled', async () => {
    const closed = new Promise<number>((resolve) => {
      answer = (stream) => {
        stream.on('close', () => resolve(stream.rstCode));
        cancel('enough');
      };
    });
    const cancel = grpc.unary('/Service/Method', Buffer.from('ask'), () => undefined);
    expect(await closed).toBe(constants.NGHTTP2_CANCEL);
  });

  it('goes on over the next connection when the server sends one away', async () => {
    await call();
    sessions[0]!.goaway();
    await expect.poll(() => call().then(String, () => 'not yet')).toBe('hello');
    await expect.poll(borrowed).toBe(true);
    expect(sessions.length).toBeGreaterThan(1);
  });
});

it('sends what is in the metadata at the time', async () => {
  await call();
  await call();
  metadata.set('token', 'new');
  grpc.renew();
  await call();
  expect(received.map(({ token }) => token)).toEqual([undefined, undefined, 'new']);
});

it('lets grpc-js ping the connection while a call is on it, and not afterwards', async () => {
  reconnect({ 'grpc.keepalive_time_ms': 100, 'grpc.keepalive_timeout_ms': 100 });
  await call();
  let pings = 0;
  sessions.at(-1)!.on('ping', () => pings++);
  let finish = (): void => undefined;
  answer = (stream) => {
    finish = () => says(framed(Buffer.from('late')))(stream);
  };
  const late = call();
  await expect.poll(() => pings).toBeGreaterThan(1);
  finish();
  expect((await late).toString()).toBe('late');
  await new Promise((resolve) => setTimeout(resolve, 150));
  const before = pings;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(pings).toBe(before);
});

it('outlives a channel that goes idle: what runs ends, what comes dials anew', async () => {
  reconnect({ 'grpc.client_idle_timeout_ms': 1_000 });
  await call();
  let finish = (): void => undefined;
  answer = (stream) => {
    finish = () => says(framed(Buffer.from('late')))(stream);
  };
  const late = call();
  await expect.poll(borrowed, { timeout: 5_000 }).toBe(false);
  answer = says(framed(Buffer.from('anew')));
  expect((await call()).toString()).toBe('anew');
  finish();
  expect((await late).toString()).toBe('late');
});

describe('in a run of calls', () => {
  /** The server's side of all streams, in the order of their opening. */
  let streams: ServerHttp2Stream[];
  /** Calls until a stream waits on the server for the next one. */
  const run = async (): Promise<ServerHttp2Stream> => {
    for (let i = 0; i < 4; i++) expect((await call()).toString()).toBe('hello');
    await expect.poll(() => streams.length).toBe(received.length + 1);
    return streams.at(-1)!;
  };
  const soon = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  beforeEach(async () => {
    await call();
    streams = [];
    received = [];
    server.prependListener('stream', (stream) => streams.push(stream));
  });

  it('the stream of the next one is open before it is made', async () => {
    const ahead = await run();
    answer = (stream) => {
      expect(stream.id).toBe(ahead.id);
      says(framed(Buffer.from('on it')))(stream);
    };
    expect((await call()).toString()).toBe('on it');
    // Each stream was of use but the last one, which waits again.
    await expect.poll(() => streams.length).toBe(received.length + 1);
    expect(received.every(({ body }) => body.equals(framed(Buffer.from('ask'))))).toBe(true);
  });

  it('calls made at once each have a stream of their own, and one is open for the next', async () => {
    await run();
    await Promise.all(Array.from({ length: 10 }, () => call()));
    await expect.poll(() => streams.length).toBe(received.length + 1);
    expect(new Set(streams.map(({ id }) => id)).size).toBe(streams.length);
  });

  it('a stream that no call comes for is cancelled, and a call after a pause opens its own', async () => {
    const ahead = await run();
    await expect.poll(() => ahead.closed).toBe(true);
    expect(ahead.rstCode).toBe(constants.NGHTTP2_CANCEL);
    await call();
    await soon(150);
    await call();
    expect(streams).toHaveLength(received.length + 1);
  });

  it.each<[string, Answer]>([
    ['a reset', (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    ['a status', refuses(16, 'who are you?')],
    ['the connection', (stream) => stream.session!.destroy()],
  ])('no call is made on a stream that the server has ended with %s', async (_, end) => {
    const ahead = await run();
    end(ahead);
    await expect.poll(() => ahead.closed).toBe(true);
    await soon(5);
    for (let i = 0; i < 4; i++) expect((await call()).toString()).toBe('hello');
  });

  it('does not keep a server from going: the stream is given up with the connection', async () => {
    const ahead = await run();
    sessions.at(-1)!.goaway();
    await expect.poll(() => ahead.closed).toBe(true);
    await expect.poll(() => sessions.at(-1)!.closed || sessions.at(-1)!.destroyed).toBe(true);
  });

  it('new metadata goes with the very next call', async () => {
    const ahead = await run();
    metadata.set('token', 'new');
    grpc.renew();
    await call();
    expect(received.at(-1)!.token).toBe('new');
    await expect.poll(() => ahead.closed).toBe(true);
  });

  it('nothing is open after the channel was closed, nor is opened any more', async () => {
    for (let i = 0; i < 4; i++) await call();
    const last = call();
    grpc.close();
    await last;
    await soon(20);
    expect(streams.filter(({ closed }) => !closed)).toEqual([]);
  });

  it('the open stream neither holds the process nor has grpc-js ping', async () => {
    await run();
    const { transport } = (channel as unknown as PrivateChannel).internalChannel
      .doPick(metadata, {})
      .subchannel.getRealSubchannel();
    expect((transport as unknown as { activeCalls: Set<object> }).activeCalls.size).toBe(0);
  });
});

describe('a stream', () => {
  const open = (decode = (message: Buffer) => message.toString()) => {
    const stream = DirectStream.open(grpc, '/Service/Stream', (text: string) => Buffer.from(text), decode)!;
    const seen: string[] = [];
    stream.on('data', (text: string) => seen.push(text));
    const end = new Promise<string>((resolve) => {
      stream.on('end', () => resolve('end'));
      stream.on('error', (error: Error) => resolve(error.message));
    });
    return { stream, seen, end };
  };
  /** What the server does with a stream as soon as it is there. */
  const serve = (serving: Answer): void => {
    server.removeAllListeners('stream');
    server.on('stream', (stream) => {
      stream.on('error', () => undefined);
      serving(stream);
    });
  };
  beforeEach(() => call());

  it('is not to be had without a connection', () => {
    const plain: Channel = { createCall: channel.createCall.bind(channel) };
    expect(
      new GrpcChannel(plain, metadata, 'etcd:2379').stream('/Service/Stream', vi.fn(), vi.fn()),
    ).toBeUndefined();
  });

  it('sends what is written in one tick in few pieces, in order', async () => {
    const chunks: Buffer[] = [];
    serve((stream) => stream.on('data', (chunk: Buffer) => chunks.push(chunk)));
    const { stream } = open();
    const texts = Array.from({ length: 1_000 }, (_, index) => `message ${index}`);
    for (const text of texts) stream.write(text);
    const all = Buffer.concat(texts.map((text) => framed(Buffer.from(text))));
    await expect.poll(() => Buffer.concat(chunks).length).toBe(all.length);
    expect(Buffer.concat(chunks).equals(all)).toBe(true);
    expect(chunks.length).toBeLessThan(20);
    stream.cancel();
  });

  it('reads messages however the bytes are cut, and then the end', async () => {
    const texts = ['', 'a', 'bc', 'x'.repeat(100_000), 'last'];
    const bytes = Buffer.concat(texts.map((text) => framed(Buffer.from(text))));
    serve((stream) => {
      stream.respond(HEAD, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      const write = (at: number): void => {
        const size = at < 40 ? 1 : 7_001;
        if (at >= bytes.length) stream.end();
        else stream.write(bytes.subarray(at, at + size), () => setImmediate(write, at + size));
      };
      write(0);
    });
    const { seen, end } = open();
    expect(await end).toBe('end');
    expect(seen).toEqual(texts);
  });

  it('gives what came before the server ended it with a status, and the status', async () => {
    serve(says(framed(Buffer.from('one')), { 'grpc-status': '14', 'grpc-message': 'etcdserver: no leader' }));
    const { seen, end } = open();
    expect(await end).toBe('14 UNAVAILABLE: etcdserver: no leader');
    expect(seen).toEqual(['one']);
  });

  it('ends with an error when the connection is lost', async () => {
    serve((stream) => {
      stream.respond(HEAD);
      stream.write(framed(Buffer.from('one')), () => setTimeout(() => stream.session!.destroy(), 20));
    });
    const { seen, end } = open();
    expect(await end).toMatch(/^14 UNAVAILABLE: the connection was lost/);
    expect(seen).toEqual(['one']);
  });

  it.each([
    [
      'cannot be read',
      framed(Buffer.from('bad')),
      "13 INTERNAL: etcd's answer cannot be read: no such thing",
    ],
    ['is compressed', Buffer.from([1, 0, 0, 0, 1, 65]), '13 INTERNAL: the answer is compressed'],
  ])('ends, here and there, when a message %s', async (_, bytes, message) => {
    const closed = new Promise<number>((resolve) => {
      serve((stream) => {
        stream.on('close', () => resolve(stream.rstCode));
        stream.respond(HEAD);
        stream.write(bytes);
      });
    });
    const { seen, end } = open(() => {
      throw new Error('no such thing');
    });
    expect(await end).toContain(message);
    expect(await closed).toBe(constants.NGHTTP2_CANCEL);
    expect(seen).toEqual([]);
  });

  it('is over for the server when it is cancelled, and tells nothing any more', async () => {
    const closed = new Promise<number>((resolve) => {
      serve((stream) => {
        stream.on('close', () => resolve(stream.rstCode));
        stream.respond(HEAD);
        setImmediate(() => stream.write(framed(Buffer.from('late'))));
      });
    });
    const { stream, seen, end } = open();
    stream.cancel();
    expect(await closed).toBe(constants.NGHTTP2_CANCEL);
    expect(seen).toEqual([]);
    expect(await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 50, 'silence'))])).toBe(
      'silence',
    );
  });
});
