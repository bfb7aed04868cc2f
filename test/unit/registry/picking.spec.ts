import { beforeEach, describe, expect, it } from 'vitest';
import { Picking } from '../../../lib/coord/registry/picking.js';
import type { Roster } from '../../../lib/coord/registry/roster.js';
import type { ServiceDirectories } from '../../../lib/coord/registry/service-directories.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('what a process that picks holds on to', () => {
  let clock: FakeClock;
  let open: string[];
  let picking: Picking;
  let known: boolean;
  let ready: Promise<void>;

  beforeEach(() => {
    known = true;
    clock = new FakeClock();
    open = [];
    const instance = { id: 'a', name: 'web', address: 'a', port: 1 };
    const roster = {
      get known() {
        return known;
      },
      ready: () => ready,
      members: new Map([['a', instance]]),
      isPresent: () => true,
      subscribe: () => () => undefined,
    };
    const directories = {
      open: (name: string) => {
        open.push(name);
        return { roster: roster as unknown as Roster, close: () => open.splice(open.indexOf(name), 1) };
      },
    };
    picking = new Picking(directories as unknown as ServiceDirectories, 'me', clock);
  });

  it('is the services it goes on picking from, and not each that it ever asked for', async () => {
    for (let turn = 0; turn < 100; turn++) await picking.pick(`web-${turn}`);
    expect(open).toHaveLength(100);
    for (let minute = 0; minute < 3; minute++) {
      await picking.pick('web-7');
      clock.advance(60_000);
    }
    expect(open).toEqual(['web-7']);
    clock.advance(120_000);
    expect([open, clock.pending]).toEqual([[], 0]);
  });

  it('is what somebody waits for, however long', async () => {
    let arrive!: () => void;
    known = false;
    ready = new Promise<void>((resolve) => (arrive = resolve));
    const picked = picking.pick('late');
    for (let minute = 0; minute < 5; minute++) clock.advance(60_000);
    expect(open).toEqual(['late']);
    known = true;
    arrive();
    expect((await picked).id).toBe('a');
    clock.advance(180_000);
    expect([open, clock.pending]).toEqual([[], 0]);
  });

  it('is nothing once it is closed', async () => {
    await picking.pick('web');
    picking.close();
    expect([open, clock.pending]).toEqual([[], 0]);
  });
});
