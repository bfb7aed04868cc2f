import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { ValidationError } from '../../../lib/errors/validation.error.js';
import { systemClock } from '../../../lib/coord/etcd/clock.js';
import { PublishedKey } from '../../../lib/coord/registry/published-key.js';
import type { ServiceEvent } from '../../../lib/coord/registry/service-directory.js';
import type { ServiceInstance } from '../../../lib/coord/registry/service-instance.js';
import { until } from '../../support/until.js';
import { type EtcdUnderTest, etcdKinds, startEtcdOf } from '../etcd-kinds.js';
import { RegistryRoom } from './registry-room.js';

let services = 0;
/** A service name that no other test uses. */
const fresh = (): string => `user-${++services}`;

describe.each(await etcdKinds())('the registry over an etcd of kind %s', (kind) => {
  let etcd: EtcdUnderTest;
  let room: RegistryRoom;
  let other: RegistryRoom;

  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
    room = new RegistryRoom(etcd.endpoints);
    other = new RegistryRoom(etcd.endpoints);
    await room.client.ready();
    await other.client.ready();
  });

  afterAll(async () => {
    await room.close();
    await other.close();
    await etcd.stop();
  });

  it('publishes an instance in the wire format of the family, bound to a lease', async () => {
    const name = fresh();
    await using registration = await room.registry.register({
      name,
      id: 'one',
      address: '10.0.0.1',
      port: 50051,
      metadata: { zone: 'a', weight: '2' },
    });
    expect(registration.instance.id).toBe('one');
    const { kvs } = await room.client.range({ key: `/services/${name}/one` });
    expect(JSON.parse(kvs[0]!.value.toString())).toEqual({
      id: 'one',
      name,
      address: '10.0.0.1',
      port: 50051,
      metadata: { zone: 'a', weight: '2' },
    });
    expect(kvs[0]!.lease).not.toBe(0n);
  });

  it('goes on when a subscriber throws, and says so', async () => {
    const name = fresh();
    const threw = () => {
      throw new Error('a subscriber that throws');
    };
    const watching = room.registry.watch(name).subscribe(threw);
    watching.add(room.registry.events(name).subscribe(threw));
    await using registration = await room.registry.register({ name, address: '10.0.0.1', port: 1 });
    watching.add(registration.state$.subscribe(threw));
    await until(() => room.lines.filter(({ message }) => message.endsWith(' threw')).length >= 3);
    expect(registration.state).toBe('registered');
    watching.unsubscribe();
  });

  it('finds an instance as soon as register has resolved, from another process too, and not after deregister', async () => {
    const name = fresh();
    for (let round = 0; round < 5; round++) {
      const registration = await room.registry.register({ name, address: '10.0.0.1', port: 50051 });
      expect(await other.registry.discover(name)).toMatchObject([{ name, address: '10.0.0.1', port: 50051 }]);
      expect(await room.registry.discover(name)).toHaveLength(1);
      await room.registry.deregister(registration.instance.id);
      expect(await other.registry.discover(name)).toEqual([]);
    }
  });

  it('gives each registration an id of its own if none is asked for', async () => {
    const name = fresh();
    const [a, b] = await Promise.all([
      room.registry.register({ name, address: '10.0.0.1', port: 1 }),
      room.registry.register({ name, address: '10.0.0.1', port: 2 }),
    ]);
    expect(a.instance.id).not.toBe(b.instance.id);
    expect(await room.registry.discover(name)).toHaveLength(2);
    await Promise.all([a.deregister(), b.deregister()]);
  });

  it('does not mix services whose names begin alike', async () => {
    const name = fresh();
    await using _user = await room.registry.register({ name, address: '10.0.0.1', port: 1 });
    await using _admin = await room.registry.register({
      name: `${name}-admin`,
      address: '10.0.0.2',
      port: 2,
    });
    expect(await other.registry.discover(name)).toMatchObject([{ address: '10.0.0.1' }]);
    expect(await other.registry.discover(`${name}-admin`)).toMatchObject([{ address: '10.0.0.2' }]);
  });

  it('shows a watcher the current set first, then each change, and completes when the registry closes', async () => {
    const name = fresh();
    const watcher = new RegistryRoom(etcd.endpoints);
    const seen: number[] = [];
    let completed = false;
    watcher.registry.watch(name).subscribe({
      next: (instances) => seen.push(instances.length),
      complete: () => (completed = true),
    });
    await until(() => seen.length === 1);
    const a = await room.registry.register({ name, address: '10.0.0.1', port: 1 });
    const b = await room.registry.register({ name, address: '10.0.0.2', port: 2 });
    await until(() => seen.length === 3);
    await a.deregister();
    await b.deregister();
    await until(() => seen.length === 5);
    expect(seen).toEqual([0, 1, 2, 1, 0]);
    await watcher.close();
    expect(completed).toBe(true);
  });

  it('tells one event for each change, and the whole instance in a DELETE', async () => {
    const name = fresh();
    const seen: ServiceEvent[] = [];
    const subscription = other.registry.events(name).subscribe((event) => seen.push(event));
    const registration = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 1 });
    await until(() => seen.length === 1);
    await registration.update({ version: '2' });
    await until(() => seen.length === 2);
    await registration.deregister();
    await until(() => seen.length === 3);
    subscription.unsubscribe();
    expect(seen.map(({ type }) => type)).toEqual(['PUT', 'PUT', 'DELETE']);
    expect(seen[1]!.service.metadata).toEqual({ version: '2' });
    expect(seen[2]!.service).toMatchObject({ id: 'x', address: '10.0.0.1', port: 1 });
  });

  it('updates an instance in place when its id is registered again', async () => {
    const name = fresh();
    const first = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 1 });
    const again = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 2 });
    expect(again).toBe(first);
    expect(await other.registry.discover(name)).toMatchObject([{ id: 'x', port: 2 }]);
    await first.deregister();
    await first.deregister();
    expect(await other.registry.discover(name)).toEqual([]);
  });

  it('skips what cannot be read as an instance, logs it once, and serves the rest', async () => {
    const name = fresh();
    const watcher = new RegistryRoom(etcd.endpoints);
    const seen: (readonly ServiceInstance[])[] = [];
    watcher.registry.watch(name).subscribe((instances) => seen.push(instances));
    await room.put(`/services/${name}/text`, 'hello');
    await room.put(`/services/${name}/port`, JSON.stringify({ address: 'a', port: 70_000 }));
    await room.put(`/services/${name}/deeper/key`, JSON.stringify({ address: 'a', port: 1 }));
    await room.put(
      `/services/${name}/nested`,
      JSON.stringify({ address: 'a', port: 1, metadata: { a: {} } }),
    );
    await room.put(
      `/services/${name}/go`,
      JSON.stringify({ id: 'go', name, address: 'a', port: 1, metadata: null }),
    );
    await until(() => seen.at(-1)?.length === 1);
    expect(seen.at(-1)).toEqual([{ id: 'go', name, address: 'a', port: 1, metadata: {} }]);
    await room.put(`/services/${name}/text`, 'hello again');
    await room.put(`/services/${name}/go2`, JSON.stringify({ address: 'b', port: 2 }));
    await until(() => seen.at(-1)?.length === 2);
    const skipped = watcher.lines.filter(({ message }) => message.startsWith('instance skipped'));
    expect(
      skipped.map(({ fields }) => String(fields?.['key'])).toSorted((a, b) => a.localeCompare(b)),
    ).toEqual(['deeper/key', 'nested', 'port', 'text'].map((id) => `/services/${name}/${id}`));
    expect(await other.registry.discover(name)).toHaveLength(2);
    await watcher.close();
  });

  it('puts the key back when somebody deletes or alters it, within a second, and says so in its state', async () => {
    const name = fresh();
    const registration = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 1 });
    const states: string[] = [];
    registration.state$.subscribe((state) => states.push(state));
    const key = `/services/${name}/x`;
    const value = await room.read(key);

    let since = performance.now();
    await other.remove(key);
    await until(async () => (await room.read(key)) === value);
    expect(performance.now() - since).toBeLessThan(1_000);

    since = performance.now();
    await other.put(key, 'broken');
    await until(async () => (await room.read(key)) === value);
    expect(performance.now() - since).toBeLessThan(1_000);

    await until(() => states.length === 3);
    await registration.deregister();
    expect(states).toEqual(['registered', 'lost', 'registered', 'deregistered']);
    expect(await room.read(key)).toBeUndefined();
  });

  it('is back within a second however often somebody deletes it', async () => {
    const name = fresh();
    await using _mine = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 1 });
    const key = `/services/${name}/x`;
    for (let turn = 0; turn < 5; turn++) {
      const { revision } = await other.client.range({ key });
      await other.remove(key);
      await until(
        async () => {
          const { kvs } = await other.client.range({ key });
          return kvs.some(({ modRevision }) => modRevision > revision);
        },
        { timeout: 2_000 }, // a second, and a busy machine
      );
    }
  });

  it('does not delete a key that another process has taken over', async () => {
    const [name, id] = [fresh(), 'x'];
    const key = `/services/${name}/${id}`;
    const mine = new PublishedKey(
      { id, name, address: '10.0.0.1', port: 1 },
      { client: room.client, clock: systemClock, key },
    );
    await mine.put(await room.client.sessions(15_000).acquire(), {});
    await other.put(key, 'theirs');
    await mine.remove({}, () => false);
    expect(await room.read(key)).toBe('theirs');
  });

  it('leaves no key when it is deregistered, or the registry closes, while register() is under way', async () => {
    const name = fresh();
    const leaving = new RegistryRoom(etcd.endpoints);
    const outcomes = ['x', 'y'].map((id) =>
      leaving.registry.register({ name, id, address: '10.0.0.1', port: 1 }).catch((error: unknown) => error),
    );
    await leaving.registry.deregister('x');
    await leaving.close();
    for (const outcome of await Promise.all(outcomes)) expect(outcome).toBeInstanceOf(ClosedError);
    expect(await room.registry.discover(name)).toEqual([]);

    await room.registry.register({ name, id: 'warm', address: '10.0.0.1', port: 1 });
    const connected = room.registry.register({ name, id: 'z', address: '10.0.0.1', port: 2 });
    await Promise.all([expect(connected).rejects.toBeInstanceOf(ClosedError), room.registry.deregister('z')]);
    expect(await room.registry.discover(name)).toMatchObject([{ id: 'warm' }]);
    await room.registry.deregister('warm');
  });

  it('keeps an id that is registered again before its deregistration is through', async () => {
    const name = fresh();
    const first = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 1 });
    const closing = first.deregister();
    const again = await room.registry.register({ name, id: 'x', address: '10.0.0.1', port: 2 });
    const states: string[] = [];
    again.state$.subscribe((state) => states.push(state));
    await closing;
    expect(await other.registry.discover(name)).toMatchObject([{ id: 'x', port: 2 }]);
    await again.deregister();
    expect(states).toEqual(['registered', 'deregistered']);
    expect(await other.registry.discover(name)).toEqual([]);
  });

  it('marks what it registered, waits, and deletes it when it is drained', async () => {
    const name = fresh();
    const leaving = new RegistryRoom(etcd.endpoints);
    const seen: string[] = [];
    other.registry.watch(name).subscribe((instances) => seen.push(instances.map(({ id }) => id).join('')));
    const states = new Map<string, string>();
    const read = (id: string): Promise<string | undefined> => room.read(`/services/${name}/${id}`);
    await leaving.registry.register({ name, id: 'a', address: '10.0.0.1', port: 1 });
    await leaving.registry.register({ name, id: 'b', address: '10.0.0.1', port: 2 }, { drainDelay: '100ms' });
    await until(() => seen.at(-1) === 'ab');
    const draining = leaving.registry.drain();
    await until(() => seen.at(-1) === '');
    for (const id of ['a', 'b']) states.set(id, (await read(id)) ?? '');
    expect([...states.values()].every((value) => value.includes('"state":"draining"'))).toBe(true);
    await draining;
    expect([await read('a'), await read('b')]).toEqual([undefined, undefined]);
    await leaving.close();
  });

  it('refuses wrong arguments before anything is sent', async () => {
    const good = { name: 'user', address: '10.0.0.1', port: 1 };
    const refused: [unknown, string][] = [
      [{ ...good, name: '' }, 'instance.name'],
      [{ ...good, name: 'a/b' }, 'instance.name'],
      [{ ...good, id: 'a/b' }, 'instance.id'],
      [{ ...good, address: 'http://host' }, 'instance.address'],
      [{ ...good, port: 0 }, 'instance.port'],
      [{ ...good, port: 65_536 }, 'instance.port'],
      [{ ...good, metadata: { a: 1 } }, 'instance.metadata.a'],
      [{ ...good, metadata: [] }, 'instance.metadata'],
      [{ ...good, metadata: { weight: 'heavy' } }, 'instance.metadata.weight'],
    ];
    for (const [instance, argument] of refused) {
      const error = await room.registry.register(instance as ServiceInstance).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(ValidationError);
      expect((error as ValidationError).argument).toBe(argument);
    }
    await expect(room.registry.register({ ...good, port: 65_536 })).rejects.toThrow(
      'instance.port takes a port, an integer from 1 to 65535, got 65536',
    );
    await expect(room.registry.register({ ...good, metadata: { a: 1 as never } })).rejects.toThrow(
      'instance.metadata.a takes a string, got 1',
    );
    await expect(room.registry.register(good, { ttl: '1s' })).rejects.toThrow('ttl takes');
    expect(() => room.registry.watch('a/b')).toThrow(ValidationError);
    await expect(room.registry.discover('')).rejects.toThrow(ValidationError);
    expect(await room.registry.discover('user')).toEqual([]);
  });

  it('deletes its keys when it closes, and refuses work afterwards', async () => {
    const name = fresh();
    const leaving = new RegistryRoom(etcd.endpoints);
    await leaving.registry.register({ name, address: '10.0.0.1', port: 1 });
    await leaving.registry.register({ name, address: '10.0.0.2', port: 2 });
    await leaving.close();
    expect(await room.registry.discover(name)).toEqual([]);
    await expect(leaving.registry.register({ name, address: '10.0.0.1', port: 1 })).rejects.toBeInstanceOf(
      ClosedError,
    );
  });

  it('registers a thousand instances under one lease in a few transactions', async () => {
    const name = fresh();
    const revision = async (): Promise<bigint> => (await room.client.range({ key: '/none' })).revision;
    const before = await revision();
    const all = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        room.registry.register({ name, id: `i${index}`, address: '10.0.0.1', port: 1 + index }),
      ),
    );
    // Each transaction that writes makes one revision, and at most 127 instances fit into one.
    expect(Number((await revision()) - before)).toBeLessThan(30);
    expect(await other.registry.discover(name)).toHaveLength(1_000);
    await Promise.all(all.map((registration) => registration.deregister()));
    expect(await other.registry.discover(name)).toEqual([]);
  });
});
