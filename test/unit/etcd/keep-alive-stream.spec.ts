import { beforeEach, describe, expect, it } from 'vitest';
import type { Generation } from '../../../lib/coord/etcd/generation.js';
import { KeepAliveStream } from '../../../lib/coord/etcd/keep-alive-stream.js';
import { SignsOfLife } from '../../../lib/coord/etcd/signs-of-life.js';
import { FakeClock } from '../../support/fake-clock.js';

const PATIENCE = 500;
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a renewal', () => {
  let clock: FakeClock;
  let stream: KeepAliveStream;
  let dropped: boolean;
  let streams: number;
  let sent: bigint[];
  let answer: (response: { leaseId: bigint; ttl: number }) => void;
  /** Whether the member answers what needs no leader, and what does. */
  let alive: boolean;
  let leading: boolean;
  beforeEach(() => {
    clock = new FakeClock();
    [dropped, streams, sent, alive, leading] = [false, 0, [], true, true];
    const drop = (): void => {
      dropped = true;
    };
    const answered = (yes: boolean) => {
      if (!yes) return new Promise(() => undefined);
      life.heard();
      return Promise.resolve();
    };
    const life: SignsOfLife = new SignsOfLife({
      clock,
      ask: () => answered(alive),
      prove: () => answered(leading),
      drop,
    });
    const leaseKeepAlive = () => {
      streams++;
      return {
        on: (event: string, listener: typeof answer) => {
          if (event === 'data') answer = listener;
        },
        write: (leaseId: bigint) => sent.push(leaseId),
      };
    };
    stream = new KeepAliveStream(
      {
        life,
        drop,
        signal: new AbortController().signal,
        stream: (open: (rpc: unknown) => unknown) => open({ leaseKeepAlive }),
      } as unknown as Generation,
      clock,
    );
  });

  it('shares one stream with all others, and each gets its own answers', async () => {
    const granted: (readonly [string, number])[] = [];
    stream.renew(1n, PATIENCE, (ttl) => granted.push(['a', ttl]));
    stream.renew(2n, PATIENCE, (ttl) => granted.push(['b', ttl]));
    stream.renew(1n, PATIENCE, (ttl) => granted.push(['a again', ttl]));
    await settled();
    expect([streams, sent]).toEqual([1, [1n, 2n, 1n]]);
    answer({ leaseId: 2n, ttl: 5 });
    answer({ leaseId: 1n, ttl: 3 });
    answer({ leaseId: 1n, ttl: 0 });
    expect(granted).toEqual([
      ['b', 5],
      ['a', 3],
      ['a again', 0],
    ]);
    expect(clock.pending).toBe(0);
  });

  it('that a silent member does not answer ends the connection', async () => {
    alive = false;
    stream.renew(1n, PATIENCE, () => undefined);
    await settled();
    clock.advance(PATIENCE - 1);
    expect(dropped).toBe(false);
    clock.advance(1);
    expect(dropped).toBe(true);
  });

  it('that waits for an election does not: the member is asked, and answers for itself', async () => {
    leading = false;
    stream.renew(1n, PATIENCE, () => undefined);
    await settled();
    clock.advance(PATIENCE);
    await settled();
    expect(dropped).toBe(false);
  });
});
