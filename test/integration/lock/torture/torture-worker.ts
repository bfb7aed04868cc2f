/**
 * One process that wants the lock again and again. Run as a child: it reports what it believes, with times of the clock
 * that all processes of a machine share, and asks its parent for the fenced resource.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveCoordOptions } from '../../../../lib/coord/coord.options.js';
import { EtcdClient } from '../../../../lib/coord/etcd/etcd.client.js';
import { SessionLostError } from '../../../../lib/errors/session-lost.error.js';
import { OutcomeUnknownError } from '../../../../lib/errors/outcome-unknown.error.js';
import type { ContendedLock, Contender } from './contender.js';
import { Etcd3Contender } from './etcd3-contender.js';
import { OurContender } from './our-contender.js';
import {
  type Answer,
  type Command,
  counterOf,
  type Report,
  type WorkerSettings,
} from './torture-protocol.js';

const settings = JSON.parse(process.argv[2]!) as WorkerSettings;
for (const clock of [performance, Date]) {
  const real = clock.now.bind(clock);
  const begun = real();
  clock.now = () => begun + (real() - begun) * settings.clockRate;
}
const { endpoint, ttl, keys, tasks, worker } = settings;
const coord = resolveCoordOptions({ endpoints: [endpoint], requestTimeout: 2_000, dialTimeout: 1_000 });
const client = EtcdClient.create(coord.etcd);
const locks: Contender =
  settings.contender === 'etcd3'
    ? new Etcd3Contender(endpoint)
    : new OurContender(client, coord.prefixes, `worker-${worker}`);

const now = (): string => process.hrtime.bigint().toString();
const send = (report: Report): void => void process.send?.(report);
const answers = new Map<number, (answer: Answer) => void>();
let calls = 0;
const stopping = new AbortController();
const calm = new AbortController();
let close = (): void => undefined;
const closed = new Promise<void>((resolve) => (close = resolve));

process.on('message', (message: Answer | Command) => {
  if (message.type === 'answer') {
    answers.get(message.call)?.(message);
    answers.delete(message.call);
  } else if (message.type === 'block') {
    const end = performance.now() + message.ms;
    while (performance.now() < end);
  } else if (message.type === 'calm') {
    calm.abort();
  } else if (message.type === 'stop') {
    stopping.abort();
  } else {
    close();
  }
});
const orphaned = (): never => process.exit(1);
process.on('disconnect', orphaned);

function resource(
  request: { action: 'read' } | { action: 'write'; value: number },
  { key, fencingToken }: ContendedLock,
): Promise<Answer> {
  const call = calls++;
  return new Promise((resolve) => {
    answers.set(call, resolve);
    send({ type: 'resource', call, key, token: fencingToken.toString(), ...request });
  });
}

/** Claims to hold the lock for a while, many times a second. The time is taken before the clock is asked. */
async function work(lock: ContendedLock, ms: number): Promise<void> {
  const { key } = lock;
  const token = lock.fencingToken.toString();
  const end = performance.now() + ms;
  let claims: string[] = [];
  do {
    const at = now();
    if (!lock.isHeld()) break;
    claims.push(at);
    if (claims.length === 20) {
      send({ type: 'claims', key, token, at: claims });
      claims = [];
    }
    await sleep(Math.min(5 + Math.random() * 10, Math.max(0, end - performance.now())));
  } while (performance.now() < end && !calm.signal.aborted && !stopping.signal.aborted);
  if (claims.length > 0) send({ type: 'claims', key, token, at: claims });
}

async function hold(lock: ContendedLock): Promise<void> {
  const { key } = lock;
  const read = await resource({ action: 'read' }, lock);
  const { kvs } = await client.range({ key: counterOf(key) });
  const luck = Math.random();
  await work(lock, Math.random() * (luck < 0.2 ? 4 * ttl : luck < 0.3 ? ttl : 40));
  // Both writes come without a look at the lock: the fence and the guard have to stand alone.
  if (read.ok) await resource({ action: 'write', value: read.value + 1 }, lock);
  const value = Number(kvs[0]?.value.toString() ?? 0) + 1;
  try {
    const { succeeded } = await client.commit({
      compare: [...lock.guard()],
      success: [{ put: { key: counterOf(key), value: String(value) } }],
    });
    send({ type: 'guarded', key, outcome: succeeded ? 'written' : 'refused' });
  } catch (error) {
    if (error instanceof OutcomeUnknownError) send({ type: 'guarded', key, outcome: 'unknown' });
  }
}

/** How long a task waits: some are in a hurry, some leave in the middle of it, and say what our own calls say too. */
function patience(): { timeout: number; signal?: AbortSignal } {
  const luck = Math.random();
  if (luck < 0.2) return { timeout: 300 };
  if (luck > 0.4) return { timeout: 10_000 };
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(new SessionLostError('another session is lost')), Math.random() * 6);
  return { timeout: 10_000, signal: leaving.signal };
}

async function task(): Promise<void> {
  while (!stopping.signal.aborted) {
    const key = keys[Math.floor(Math.random() * keys.length)]!;
    const invoked = now();
    let lock: ContendedLock;
    try {
      lock = await locks.acquire(key, { ttl, ...patience() });
    } catch {
      send({ type: 'failed' });
      await sleep(20);
      continue;
    }
    const token = lock.fencingToken.toString();
    send({ type: 'acquired', key, token, invoked, returned: now() });
    try {
      await hold(lock);
    } catch {
      // Lost, or etcd is away: what was claimed so far counts.
    }
    const releasing = now();
    if (lock.isHeld()) send({ type: 'released', key, token, invoked: releasing });
    await lock.release();
  }
}

await Promise.all(Array.from({ length: tasks }, () => task()));
// What is left in the queues now would be in everybody's way for as long as the sessions live.
send({ type: 'idle' });
await closed;
await locks.close();
await client.close();
process.off('disconnect', orphaned);
process.disconnect();
