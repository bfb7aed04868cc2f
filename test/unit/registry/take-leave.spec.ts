import { beforeEach, describe, expect, it } from 'vitest';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { OutcomeUnknownError } from '../../../lib/errors/outcome-unknown.error.js';
import type { CallOptions } from '../../../lib/coord/etcd/etcd.options.js';
import { takeLeave } from '../../../lib/coord/registry/take-leave.js';
import { FakeClock } from '../../support/fake-clock.js';
import { collectLog } from '../../support/open-client.js';

describe('an instance that leaves', () => {
  let done: string[];
  let log: ReturnType<typeof collectLog>;

  beforeEach(() => {
    done = [];
    log = collectLog();
  });

  const leave = (drain?: Error, deregister?: Error): Promise<void> => {
    const step = (name: string, failure?: Error) => (): Promise<void> => {
      done.push(name);
      return failure ? Promise.reject(failure) : Promise.resolve();
    };
    const leaving = { drain: step('drain', drain), deregister: step('deregister', deregister) };
    return takeLeave(leaving, 500, { logger: log, wait: (ms) => Promise.resolve(done.push(`wait ${ms}`)) });
  };

  it('marks, waits, deletes', async () => {
    await leave();
    expect(done).toEqual(['drain', 'wait 500', 'deregister']);
    expect(log.lines).toEqual([]);
  });

  it('gives a mark its time whose answer was lost: it may be there', async () => {
    await leave(new OutcomeUnknownError('no answer'));
    expect(done).toEqual(['drain', 'wait 500', 'deregister']);
  });

  it('does not wait for a mark that was never sent, and says once what failed', async () => {
    await leave(new CoordUnavailableError('away'), new CoordUnavailableError('still away'));
    expect(done).toEqual(['drain', 'deregister']);
    expect(log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'warn: this process could not be deregistered: its lease will end',
    ]);
  });

  it('waits for etcd no longer than 0.3 s in all, apart from the drain delay', async () => {
    const clock = new FakeClock();
    const budgets: unknown[] = [];
    const take = ({ timeout }: CallOptions): Promise<void> => {
      budgets.push(timeout);
      clock.advance(200);
      return Promise.resolve();
    };
    await takeLeave({ drain: take, deregister: take }, 500, {
      logger: log,
      clock,
      wait: (ms) => Promise.resolve(clock.advance(ms)),
    });
    expect(budgets).toEqual([300, 100]);
  });
});
