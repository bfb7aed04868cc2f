import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EndpointSnapshot } from '../../../lib/coord/registry/endpoint-snapshot.js';
import { EndpointSnapshot as Snapshot } from '../../../lib/coord/registry/endpoint-snapshot.js';
import type { InstanceChange } from '../../../lib/coord/registry/loss-guard.js';
import { Roster } from '../../../lib/coord/registry/roster.js';
import type { ServiceDirectory } from '../../../lib/coord/registry/service-directory.js';
import type { ServiceInstance } from '../../../lib/coord/registry/service-instance.js';
import { FakeClock } from '../../support/fake-clock.js';
import { collectLog } from '../../support/open-client.js';

const instance = (id: string): ServiceInstance => ({ id, name: 'user', address: id, port: 1, metadata: {} });

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('whom clients may call', () => {
  let clock: FakeClock;
  let log: ReturnType<typeof collectLog>;
  let tell: (changes: readonly InstanceChange[]) => void;
  let instances: Map<string, ServiceInstance>;
  let synced: boolean;
  let refused: Set<string>;
  let saved: (readonly ServiceInstance[])[];
  let roster: Roster;

  const open = (loaded?: readonly ServiceInstance[]): Roster => {
    const directory = {
      name: 'user',
      get synced() {
        return synced;
      },
      get instances() {
        return instances;
      },
      get serving() {
        return [...instances.values()];
      },
      ready: () => new Promise(() => undefined),
      subscribe: (listener: typeof tell) => {
        tell = listener;
        return () => undefined;
      },
    };
    const store = {
      load: () => Promise.resolve(loaded),
      save: (all: readonly ServiceInstance[]) => Promise.resolve(void saved.push(all)),
    };
    return new Roster(directory as unknown as ServiceDirectory, {
      clock,
      logger: log,
      store: store as unknown as EndpointSnapshot,
      refuses: (address) => Promise.resolve(refused.has(address)),
    });
  };

  const list = (...ids: string[]): void => {
    synced = true;
    const before = instances;
    instances = new Map(ids.map((id) => [id, before.get(id) ?? instance(id)]));
    const changes: InstanceChange[] = [];
    for (const id of new Set([...before.keys(), ...ids])) {
      const [previous, current] = [before.get(id), instances.get(id)];
      if (previous !== current) changes.push({ id, previous, current });
    }
    tell(changes);
  };

  const members = (): string => [...roster.members.keys()].join('');

  beforeEach(() => {
    clock = new FakeClock();
    log = collectLog();
    instances = new Map();
    synced = false;
    refused = new Set();
    saved = [];
    roster = open();
  });

  afterEach(() => roster.close());

  it('is unknown until the registry has spoken, also when it says nobody', () => {
    expect(roster.known).toBe(false);
    list();
    expect(roster.known).toBe(true);
  });

  it('comes from an earlier run when the registry is silent for a moment', async () => {
    roster = open([instance('a'), instance('b')]);
    clock.advance(149);
    await settle();
    expect(roster.known).toBe(false);
    clock.advance(1);
    await settle();
    expect(members()).toBe('ab');
    expect(roster.known).toBe(true);
    list('b', 'c');
    expect(members()).toBe('bc');
  });

  it('does not come from an earlier run when the registry is quick', async () => {
    roster = open([instance('a')]);
    list('b');
    clock.advance(1_000);
    await settle();
    expect(members()).toBe('b');
  });

  it('tries by TCP those that it withholds from removal, until they answer or refuse', async () => {
    list('a', 'b', 'c');
    list();
    expect(members()).toBe('abc');
    refused.add('b');
    clock.advance(2_000);
    await settle();
    expect(members()).toBe('ac');
    for (const id of ['a', 'c']) refused.add(id);
    clock.advance(2_000);
    await settle();
    expect(members()).toBe('');
    expect(roster.holding).toBe(false);
  });

  it('believes whoever could not connect only when nobody listens there', async () => {
    list('a', 'b', 'c');
    await roster.doubt('a'); // it is listed: whatever is wrong, it is not gone
    list();
    await roster.doubt('a');
    expect(members()).toBe('abc');
    refused.add('a');
    await roster.doubt('a');
    expect(members()).toBe('bc');
  });

  it('says once that it withholds, and once that it is over', () => {
    list('a', 'b', 'c');
    list();
    list();
    list('a', 'b', 'c');
    expect(log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'warn: the registry lost most instances at once: clients keep the last good set',
      'info: the registry has the instances again',
    ]);
  });

  it('keeps the last good set on disk, not each step to it, and never a loss that it withholds', async () => {
    list('a');
    list('a', 'b');
    clock.advance(500);
    await settle();
    expect(saved.map((all) => all.length)).toEqual([2]);
    list();
    clock.advance(500);
    await settle();
    expect(saved).toHaveLength(1);
  });

  it('keeps the last good set on disk when leases expire one after the other', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
    list(...ids);
    clock.advance(500);
    await settle();
    for (let left = 9; left >= 2; left--) {
      list(...ids.slice(0, left));
      clock.advance(200);
      await settle();
    }
    clock.advance(500);
    await settle();
    expect(members()).toHaveLength(10);
    expect(saved.at(-1)).toHaveLength(10);
  });

  it('forgets on disk whom nobody finds any more', async () => {
    list('a', 'b', 'c');
    list();
    refused.add('b');
    clock.advance(2_000);
    await settle();
    clock.advance(500);
    await settle();
    expect(saved.at(-1)?.map(({ id }) => id)).toEqual(['a', 'c']);
  });

  it('is waited for until the registry has spoken or an earlier run is remembered', async () => {
    roster = open([instance('a')]);
    let known = false;
    void roster.ready().then(() => (known = true));
    await settle();
    expect([known, roster.listed]).toEqual([false, undefined]);
    clock.advance(150);
    await settle();
    expect([known, roster.listed]).toEqual([true, [instance('a')]]);
    await roster.ready();
    list('b');
    expect(roster.listed).toEqual([instance('b')]);
  });

  it('keeps a listener that throws from hurting the others', () => {
    let told = 0;
    roster.subscribe(() => {
      throw new Error('no');
    });
    roster.subscribe(() => told++);
    list('a');
    expect(told).toBe(1);
  });
});

describe('the snapshot of endpoints', () => {
  let dir: string;
  let log: ReturnType<typeof collectLog>;
  const open = (maxAge = 1_000_000, source = 'etcd-1'): Snapshot =>
    new Snapshot({ dir, source, maxAge }, 'user', log);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'im-infra-snapshot-'));
    log = collectLog();
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  it('gives back what was saved', async () => {
    await open().save([instance('a'), { ...instance('b'), metadata: { zone: 'x' } }]);
    expect(await open().load()).toEqual([instance('a'), { ...instance('b'), metadata: { zone: 'x' } }]);
    expect(readFileSync(join(dir, 'services', 'etcd-1', 'user.json'), 'utf8')).toContain('"zone":"x"');
  });

  it('has nothing at first, and nothing that is too old, without a word', async () => {
    expect(await open().load()).toBeUndefined();
    await open().save([instance('a')]);
    expect(await open(-1).load()).toBeUndefined();
    expect(log.lines).toEqual([]);
  });

  it('warns of a file that it cannot read, and does without', async () => {
    await open().save([instance('a')]);
    writeFileSync(join(dir, 'services', 'etcd-1', 'user.json'), '{"savedAt":');
    expect(await open().load()).toBeUndefined();
    expect(log.lines[0]).toMatchObject({
      level: 'warn',
      message: 'the snapshot of endpoints cannot be read',
    });
  });

  it('is apart for each etcd', async () => {
    await Promise.all([open().save([instance('a')]), open(undefined, 'etcd-2').save([instance('b')])]);
    expect(await open().load()).toEqual([instance('a')]);
    expect(await open(undefined, 'etcd-2').load()).toEqual([instance('b')]);
  });

  it('is whole whoever writes it at the same time, and leaves no draft behind', async () => {
    const sets = ['a', 'b', 'c'].map((id) => [instance(id)]);
    await Promise.all(sets.map((set) => open().save(set)));
    expect(sets).toContainEqual(await open().load());
    expect(readdirSync(join(dir, 'services', 'etcd-1'))).toEqual(['user.json']);
    expect(log.lines).toEqual([]);
  });

  it('warns when it cannot be written, and does not reject', async () => {
    writeFileSync(join(dir, 'services'), 'in the way');
    await open().save([instance('a')]);
    expect(log.lines[0]).toMatchObject({
      level: 'warn',
      message: 'the snapshot of endpoints cannot be written',
    });
  });
});
