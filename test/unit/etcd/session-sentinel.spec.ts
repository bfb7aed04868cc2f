import { beforeEach, describe, expect, it } from 'vitest';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import type { Mirror } from '../../../lib/coord/etcd/mirror.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { guardSession } from '../../../lib/coord/etcd/session-sentinel.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { EtcdRefusedError } from '../../../lib/errors/etcd-refused.error.js';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import { FakeClock } from '../../support/fake-clock.js';
import { collectLog } from '../../support/open-client.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a session's sentinel", () => {
  let clock: FakeClock;
  let session: Session;
  let log: ReturnType<typeof collectLog>;
  /** What the next commits fail with; then they succeed. */
  let failures: Error[];
  let commits: number;
  let watched: number;
  let losses: string[];
  beforeEach(() => {
    clock = new FakeClock();
    session = new Session(7n, instant(clock), 30_000, clock);
    log = collectLog();
    [failures, commits, watched, losses] = [[], 0, 0, []];
  });

  const guard = async () => {
    guardSession(session, (why) => losses.push(why), {
      commit: async () => {
        commits++;
        if (session.signal.aborted) throw session.signal.reason;
        if (failures.length > 0) throw failures.shift();
        return { succeeded: true, revision: 1n, results: [] };
      },
      mirror: () => {
        watched++;
        return { subscribe: () => undefined, close: () => undefined } as unknown as Mirror;
      },
      clock,
      random: () => 1,
      logger: log,
      owner: 'spec',
    });
    await settled();
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };

  it('is put again after each failed attempt for as long as the session lives, without a line in the log', async () => {
    failures = [
      new CoordUnavailableError('away'),
      new OutcomeUnknownError('lost'),
      new CoordUnavailableError('away'),
    ];
    await guard();
    expect(watched).toBe(0);
    for (const wait of [100, 200, 400]) await pass(wait);
    expect([commits, watched, losses.length, log.lines.length]).toEqual([4, 1, 0, 0]);
  });

  it('is not put again when etcd refuses it, which the log says', async () => {
    failures = [new EtcdRefusedError('etcdserver: permission denied', 7)];
    await guard();
    await pass(10_000);
    expect([commits, watched]).toEqual([1, 0]);
    expect(log.lines).toMatchObject([{ level: 'warn', message: expect.stringMatching(/^no sentinel key/) }]);
  });

  it('shows that the lease is gone already', async () => {
    failures = [new EtcdRefusedError('etcdserver: requested lease not found', 5)];
    await guard();
    expect(losses).toEqual(['etcd says that the lease is gone']);
  });

  it('is given up with the session', async () => {
    failures = Array.from({ length: 1_000 }, () => new CoordUnavailableError('away'));
    await guard();
    session.lose('the spec says so');
    await settled();
    const before = commits;
    await pass(60_000);
    expect(commits - before).toBeLessThanOrEqual(1);
    expect([watched, log.lines.length]).toEqual([0, 0]);
  });
});
