import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../lib/testing/index.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';
import { type Operation, Operations } from './differential/operations.js';
import { Subject, until } from './differential/subject.js';

/** How many operations; more by the environment, for a night. */
const OPERATIONS = Number(process.env['IM_DIFFERENTIAL_OPS'] ?? 2_000);

const present = (await etcdKinds()).includes('binary');
if (!present) process.stdout.write('differential: skipped, there is no etcd on PATH to compare with\n');

describe.runIf(present)('the embedded etcd against the real one', () => {
  let servers: EtcdUnderTest[];
  let real: Subject;
  let embedded: Subject;

  beforeAll(async () => {
    servers = await Promise.all([startEtcdOf('binary'), startEtcdOf('embedded')]);
    [real, embedded] = servers.map(({ endpoints }) => new Subject(endpoints[0]!)) as [Subject, Subject];
  });

  afterAll(async () => {
    real.close();
    embedded.close();
    await Promise.all(servers.map((server) => server.stop()));
  });

  /** The last request for each watch, for the report of a difference. */
  const asked = new Map<string, object>();
  const total = { watches: 0, events: 0 };

  /**
   * etcd 3.4.23 now and then loses events of a watch that lags (etcd #17529 and its kin). If a new watch of the same range
   * gets from it exactly what the embedded one has told, the loss is the real one's; it is counted and printed.
   */
  const lostByTheReal = async (watch: string): Promise<boolean> => {
    const told = (embedded.told.get(watch) ?? []) as { kv?: { modRevision: string } }[];
    const events = told.filter(({ kv }) => kv !== undefined);
    const missing = told.length - (real.told.get(watch)?.length ?? 0);
    if (missing <= 0 || events[0]?.kv === undefined) return false;
    const again = await real.replay(asked.get(watch) ?? {}, events[0].kv.modRevision, events.length);
    if (!isDeepStrictEqual(again, events)) return false;
    process.stdout.write(`differential: the real etcd has lost ${missing} events of ${watch}\n`);
    return true;
  };

  /** Waits until every watch has told the same on both sides, in the same order; then starts afresh. */
  const agree = async (context: string): Promise<void> => {
    await Promise.all([real.settle(), embedded.settle()]);
    const watches = () => [...new Set([...real.told.keys(), ...embedded.told.keys()])];
    const count = (subject: Subject, watch: string) => subject.told.get(watch)?.length ?? 0;
    await until(() => watches().every((watch) => count(real, watch) === count(embedded, watch))).catch(
      () => {},
    );
    for (const watch of watches()) {
      if (await lostByTheReal(watch)) continue;
      expect(embedded.told.get(watch), `${context}, ${watch}: ${JSON.stringify(asked.get(watch))}`).toEqual(
        real.told.get(watch),
      );
      const [first] = real.told.get(watch) as { created?: boolean }[];
      if (first?.created === true) total.watches++;
      total.events += real.told.get(watch)!.filter((each) => 'kv' in (each as object)).length;
    }
    real.forget();
    embedded.forget();
  };

  it(`gives the same answers and the same watch events over ${OPERATIONS} random operations`, async () => {
    const random = SeededRandom.announced('differential');
    const operations = new Operations(random);
    const counts: Partial<Record<Operation['kind'], number>> = {};
    let refused = 0;
    const position = { revision: 1, compacted: -1 };
    for (let done = 0; done < OPERATIONS; done++) {
      const operation = operations.next(position);
      // What a watch that lags loses by a compaction, or has not told yet when it is cancelled, is chance: let them catch up.
      const ends =
        operation.kind === 'compact' ||
        (operation.kind === 'cancel' && asked.has(`stream ${operation.stream}, watch ${operation.watchId}`));
      if (ends) await agree(`seed ${random.seed}, before operation ${done}`);
      const [expected, got] = await Promise.all([real.run(operation), embedded.run(operation)]);
      expect(got, `seed ${random.seed}, operation ${done}: ${JSON.stringify(operation)}`).toEqual(expected);
      if (operation.kind === 'watch') {
        const { watchId } = expected as { watchId: string };
        asked.set(`stream ${operation.stream}, watch ${watchId}`, operation.request);
      }
      const failed = (expected as { code?: number }).code !== undefined;
      if (failed) refused++;
      else if (operation.kind === 'compact') position.compacted = Number(operation.revision);
      position.revision = Number(
        (got as { header?: { revision: string } }).header?.revision ?? position.revision,
      );
      counts[operation.kind] = (counts[operation.kind] ?? 0) + 1;
    }
    await agree(`seed ${random.seed}, at the end`);
    process.stdout.write(
      `differential: ${OPERATIONS} operations (${refused} refused), ${total.watches} watches, ${total.events} events, revision ${await real.revision()}: ${JSON.stringify(counts)}\n`,
    );
  }, 600_000);
});
