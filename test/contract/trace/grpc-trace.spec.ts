import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { Logger, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientGrpcProxy, ClientProxyFactory } from '@nestjs/microservices';
import {
  NEVER,
  type Observable,
  ReplaySubject,
  firstValueFrom,
  from,
  lastValueFrom,
  startWith,
  toArray,
} from 'rxjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { CLOG_TAP } from '../../../lib/clog/clog.tokens.js';
import { withGrpcTrace } from '../../../lib/trace/grpc.options.js';
import { createTraceId } from '../../../lib/trace/trace-id.js';
import { currentTraceId, runWithTrace } from '../../../lib/trace/trace-store.js';
import { CallsModule, type Downstream, type Text, address, grpcOptions } from './calls.app.js';

interface Calls {
  unary(message: Text): Observable<Text>;
  failing(message: Text): Observable<Text>;
  serverStream(message: Text): Observable<Text>;
  clientStream(messages: Observable<Text>): Observable<Text>;
  bidi(messages: Observable<Text>): Observable<Text>;
  raw(messages: Observable<Text>): Observable<Text>;
  endless(message: Text): Observable<Text>;
}

const lines: Record<string, unknown>[] = [];
let app: INestMicroservice;
let client: ClientGrpcProxy;
let calls: Calls;

const folder = mkdtempSync(join(tmpdir(), 'grpc-trace-'));
/** A socket in the file system: nobody else can have it, as somebody may have a port that was free a moment ago. */
const socket = (name: string): string => `unix:${join(folder, name)}`;

beforeAll(async () => {
  address.url = socket('calls');
  app = await NestFactory.createMicroservice(CallsModule, {
    ...withGrpcTrace(grpcOptions(address.url)),
    logger: false,
  });
  app.get(ClogService)[CLOG_TAP]((line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  await app.listen();
  client = ClientProxyFactory.create(withGrpcTrace(grpcOptions(address.url)));
  calls = client.getService<Calls>('Calls');
});

afterAll(async () => {
  client.close();
  await app.close();
  Logger.overrideLogger(false);
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  lines.length = 0;
});

/** Makes a call in a trace and gives the places that wrote lines, once all of them are in that trace. */
async function placesOf(call: () => Observable<Text>): Promise<string[]> {
  const trace = createTraceId();
  const answers = await runWithTrace(trace, () => lastValueFrom(call().pipe(toArray()))).catch(
    (error: Error) => [{ text: error.message.replace(/^9 FAILED_PRECONDITION: /, '') }],
  );
  await expect.poll(() => lines.length).toBeGreaterThan(0);
  expect(answers.length).toBeGreaterThan(0);
  for (const { text } of answers) expect(text).toBe(trace);
  for (const line of lines) expect(line['trace_id'], String(line['msg'])).toBe(trace);
  return lines.map(({ msg }) => String(msg));
}

const three = () => from([{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
const count = (places: string[], place: string) => places.filter((each) => each === place).length;
const AROUND = ['guard', 'interceptor before', 'pipe', 'handler'];

describe('every line of a gRPC call is in its trace', () => {
  it('unary: guard, pipe, interceptor, handler, outbound call and what follows it', async () => {
    const places = await placesOf(() => calls.unary({ text: 'a' }));
    expect(places).toEqual([...AROUND, 'downstream', 'after outbound', 'interceptor after']);
  });

  it('failing: also the exception filter', async () => {
    const places = await placesOf(() => calls.failing({ text: 'a' }));
    expect(places).toEqual([...AROUND, 'filter']);
  });

  it('server stream: each message and its outbound call', async () => {
    const places = await placesOf(() => calls.serverStream({ text: 'a' }));
    expect(places.slice(0, 4)).toEqual(AROUND);
    expect([count(places, 'message'), count(places, 'downstream')]).toEqual([3, 3]);
  });

  it('client stream: each message, its outbound call and the half-close', async () => {
    const places = await placesOf(() => calls.clientStream(three()));
    expect(places).toEqual(expect.arrayContaining(AROUND));
    expect(['message', 'downstream', 'half-close'].map((place) => count(places, place))).toEqual([3, 3, 1]);
  });

  it('bidirectional stream: each message, its outbound call and the answer to that', async () => {
    const places = await placesOf(() => calls.bidi(three()));
    expect(places).toEqual(expect.arrayContaining(AROUND));
    expect([count(places, 'message'), count(places, 'downstream'), count(places, 'outbound answer')]).toEqual(
      [3, 3, 3],
    );
  });

  it.each<[string, () => Observable<Text>]>([
    ['server stream', () => calls.serverStream({ text: 'fail' })],
    ['client stream', () => calls.clientStream(from([{ text: 'a' }, { text: 'fail' }]))],
    ['bidirectional stream', () => calls.bidi(from([{ text: 'fail' }]))],
  ])('%s that fails at a message: also the exception filter', async (_name, call) => {
    const places = await placesOf(call);
    expect(places).toEqual(expect.arrayContaining([...AROUND, 'message', 'filter']));
  });

  it('raw stream call: each data event and the end', async () => {
    const places = await placesOf(() => calls.raw(three()));
    expect([count(places, 'message'), count(places, 'half-close')]).toEqual([3, 1]);
  });

  it('raw stream call: what its writes tell, and its end', async () => {
    await placesOf(() => calls.raw(three()));
    await expect.poll(() => lines.map(({ msg }) => msg)).toContain('close');
    const traces = new Set(lines.map(({ trace_id }) => trace_id));
    expect([traces.size, traces.has(undefined)]).toEqual([1, false]);
    expect(lines.filter(({ msg }) => msg === 'written')).toHaveLength(3);
    expect(lines.filter(({ msg }) => msg === 'finish')).toHaveLength(1);
  });

  it.each<[string, () => Observable<Text>, string]>([
    ['raw stream call: its cancellation', () => calls.raw(NEVER.pipe(startWith({ text: 'a' }))), 'cancelled'],
    [
      'server stream: its unsubscription when the caller goes',
      () => calls.endless({ text: 'a' }),
      'unsubscribed',
    ],
  ])('%s', async (_name, call, place) => {
    const trace = createTraceId();
    await runWithTrace(trace, () => firstValueFrom(call()));
    await expect.poll(() => lines.map(({ msg }) => msg)).toContain(place);
    for (const line of lines) expect(line['trace_id'], String(line['msg'])).toBe(trace);
  });
});

it('gives a call without a trace one of its own', async () => {
  const { text } = await lastValueFrom(calls.unary({ text: 'a' }));
  expect(text).toMatch(/^[0-9a-f]{32}$/);
  for (const line of lines) expect(line['trace_id']).toBe(text);
});

it('takes the trace, and warns once, where the server was not wrapped', async () => {
  const url = socket('bare');
  const logger = { log: vi.fn(), error: vi.fn(), warn: vi.fn() };
  const bare = await NestFactory.createMicroservice(CallsModule, { ...grpcOptions(url), logger });
  await bare.listen();
  const other = ClientProxyFactory.create(withGrpcTrace(grpcOptions(url)));
  const downstream = other.getService<Downstream>('Downstream');
  const ids: string[] = [];
  for (const id of ['job-1', 'job-2']) {
    ids.push((await runWithTrace(id, () => lastValueFrom(downstream.which({ text: 'a' })))).text);
  }
  other.close();
  await bare.close();
  expect(ids).toEqual(['job-1', 'job-2']);
  const warnings = logger.warn.mock.calls.filter(([text]) => String(text).includes('withGrpcTrace()'));
  expect(warnings).toHaveLength(1);
});

it("runs the caller's subscribers in the caller's trace", async () => {
  const seen = new ReplaySubject<string | undefined>();
  runWithTrace('job-42', () => {
    calls.serverStream({ text: 'a' }).subscribe({
      next: () => seen.next(currentTraceId()),
      complete: () => {
        seen.next(currentTraceId());
        seen.complete();
      },
    });
  });
  expect(await lastValueFrom(seen.pipe(toArray()))).toEqual(Array.from({ length: 4 }, () => 'job-42'));
});

it("leaves the caller's Metadata as it is, which may go with one call after another", async () => {
  const downstream = client.getService<Downstream>('Downstream');
  const shared = new Metadata();
  shared.set('authorization', 'Bearer x');
  const ids = [createTraceId(), createTraceId(), 'job-42'];
  const seen: string[] = [];
  for (const id of ids) {
    seen.push((await runWithTrace(id, () => lastValueFrom(downstream.which({ text: 'a' }, shared)))).text);
  }
  expect(seen).toEqual(ids);
  expect(shared.getMap()).toEqual({ authorization: 'Bearer x' });
});

it.each([
  ['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, 'a'.repeat(32)],
  ['x-trace-id', 'own-7', 'own-7'],
])("keeps the caller's own %s", async (name, value, expected) => {
  const downstream = client.getService<Downstream>('Downstream');
  const own = new Metadata();
  own.set(name, value);
  const { text } = await runWithTrace('job-42', () => lastValueFrom(downstream.which({ text: 'a' }, own)));
  expect(text).toBe(expected);
});

it('mixes no ids in 20,000 calls, 50 in flight, with one Metadata for all', async () => {
  const shared = new Metadata();
  const downstream = client.getService<Downstream>('Downstream');
  let mixed = 0;
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started < 20_000) {
      const id = started++ % 2 === 0 ? createTraceId() : `call-${started}`;
      const message = { text: id };
      // One in twenty is a stream, so that messages of many calls interleave on the wire.
      const answer = await runWithTrace(id, () =>
        lastValueFrom(
          started % 20 === 0 ? calls.raw(from([message, message])) : downstream.which(message, shared),
        ),
      );
      if (answer.text !== id) mixed++;
    }
  };
  await Promise.all(Array.from({ length: 50 }, worker));
  const written = lines.filter(({ call }) => call !== undefined);
  expect(mixed).toBe(0);
  expect(written.filter(({ call, trace_id }) => call !== trace_id)).toEqual([]);
  expect(written).toHaveLength(21_000);
}, 120_000);
