import { beforeEach, describe, expect, it } from 'vitest';
import { instant } from '../../../lib/coord/etcd/lease-deadline.js';
import type { KeyValue } from '../../../lib/coord/etcd/kv.js';
import type { Mirror, MirrorChange } from '../../../lib/coord/etcd/mirror.js';
import { Session } from '../../../lib/coord/etcd/session.js';
import { Sentinels, SESSIONS_PREFIX } from '../../../lib/coord/etcd/sentinels.js';
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
  let revision: bigint;
  let losses: string[];
  let sentinels: Sentinels;
  /** The keys that were put, and the mirrors that were opened of them and not closed. */
  let keys: string[];
  let watched: number;
  let opened: number;
  let seen: { revision: bigint; entries: Map<string, KeyValue> };
  let tell: (change: MirrorChange) => void;
  /** What the mirror calls after each list. */
  let list: () => void;
  beforeEach(() => {
    clock = new FakeClock();
    session = new Session(7n, instant(clock), 30_000, clock);
    log = collectLog();
    [failures, commits, watched, opened, losses, keys] = [[], 0, 0, 0, [], []];
    revision = 1n;
    seen = { revision: 0n, entries: new Map() };
    sentinels = new Sentinels({
      commit: async ({ success }) => {
        commits++;
        if (session.signal.aborted) throw session.signal.reason;
        if (failures.length > 0) throw failures.shift();
        for (const op of success) if ('put' in op) keys.push(op.put.key);
        return { succeeded: true, revision, results: [] };
      },
      mirror: ({ key }, { listed }) => {
        list = listed!;
        expect(key.startsWith(SESSIONS_PREFIX)).toBe(true);
        watched++;
        opened++;
        return {
          subscribe: (listener: typeof tell) => (tell = listener),
          snapshot: () => seen,
          close: () => watched--,
        } as unknown as Mirror;
      },
      clock,
      random: () => 1,
      logger: log,
      owner: 'spec',
    });
  });

  const guard = async (guarded = session, name = '') => {
    const close = sentinels.guard(guarded, (why) => losses.push(`${name}${why}`));
    await settled();
    return close;
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

  it('is put again after a while when etcd refuses it, which the log says once', async () => {
    failures = Array.from({ length: 2 }, () => new EtcdRefusedError('etcdserver: permission denied', 7));
    await guard();
    await pass(10_000);
    expect([commits, watched]).toEqual([1, 0]);
    session.extend(instant(clock), 120_000);
    await pass(30_000);
    await pass(30_000);
    expect([commits, watched]).toEqual([3, 1]);
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

  describe('of several sessions', () => {
    const other = () => new Session(8n, instant(clock), 30_000, clock);
    const kv = {} as KeyValue;

    it('are watched by one mirror, which is closed with the last of them', async () => {
      const closeFirst = await guard();
      const closeSecond = await guard(other());
      expect([opened, watched]).toEqual([1, 1]);
      closeFirst();
      expect(watched).toBe(1);
      closeSecond();
      expect(watched).toBe(0);
      await guard(new Session(9n, instant(clock), 30_000, clock));
      expect([opened, watched]).toEqual([2, 1]);
    });

    it('end the one session whose key goes', async () => {
      await guard(session, 'a: ');
      await guard(other(), 'b: ');
      tell({
        revision: 2n,
        cause: 'watch',
        changes: [{ key: keys[1]!, previous: kv, current: undefined }],
      });
      expect(losses).toEqual(['b: its lease was revoked']);
    });

    it('end one whose key came and went before anybody looked', async () => {
      revision = 5n;
      await guard(session, 'a: ');
      seen = { revision: 4n, entries: new Map() };
      list();
      expect(losses).toEqual([]);
      seen = { revision: 6n, entries: new Map() };
      list();
      expect(losses).toEqual(['a: its lease was revoked']);
      await guard(other(), 'b: ');
      expect(losses).toEqual(['a: its lease was revoked', 'b: its lease was revoked']);
    });

    it('leave those alone whose keys are there, or on their way', async () => {
      await guard(session);
      seen = { revision: 6n, entries: new Map([[keys[0]!, kv]]) };
      list();
      revision = 7n;
      await guard(other());
      expect(losses).toEqual([]);
    });

    it('are not watched for one that was closed before its key was put', async () => {
      failures = [new CoordUnavailableError('away')];
      const close = await guard();
      close();
      await pass(100);
      expect([commits, opened]).toEqual([2, 0]);
    });
  });
});
