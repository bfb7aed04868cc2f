import { describe, expect, it } from 'vitest';
import type { KeyRange } from '../../../lib/coord/etcd/kv.js';
import type { RoomContext } from '../../../lib/coord/etcd/room-context.js';
import { ClosedError } from '../../../lib/errors/closed.error.js';
import { ServiceDirectories } from '../../../lib/coord/registry/service-directories.js';
import { FakeClock } from '../../support/fake-clock.js';
import { silentLogger } from '../../../lib/coord/etcd/coord-logger.js';

describe('the directories of a process', () => {
  const clock = new FakeClock();
  const opened: string[] = [];
  const closed: string[] = [];
  const client = {
    mirror: ({ key }: KeyRange) => {
      opened.push(key);
      return {
        subscribe: () => () => undefined,
        ready: () => new Promise(() => undefined),
        close: () => void closed.push(key),
      };
    },
  };
  const context = { client, logger: silentLogger, prefixes: { services: '/services' } };
  const directories = new ServiceDirectories(context as unknown as RoomContext, clock);

  it('watch a service once, however many use it, and apart from one whose name begins alike', () => {
    const handles = Array.from({ length: 50 }, () => directories.open('user'));
    expect(new Set(handles.map(({ directory }) => directory)).size).toBe(1);
    directories.open('user-admin');
    expect(opened).toEqual(['/services/user/', '/services/user-admin/']);
    for (const handle of handles) handle.close();
  });

  it('stay open for a moment after the last user, so that the next one finds them warm', () => {
    clock.advance(9_000);
    const again = directories.open('user');
    clock.advance(60_000);
    expect([opened.length, closed]).toEqual([2, []]);
    again.close();
    again.close();
    clock.advance(10_000);
    expect(closed).toEqual(['/services/user/']);
  });

  it('end with the registry, and nobody opens one afterwards', () => {
    directories.close();
    expect(closed).toEqual(['/services/user/', '/services/user-admin/']);
    expect(() => directories.open('user')).toThrow(ClosedError);
  });
});
