import { setTimeout as sleep } from 'node:timers/promises';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { type Clock, systemClock } from '../etcd/clock.js';
import type { CoordLogger } from '../etcd/coord-logger.js';
import type { CallOptions } from '../etcd/etcd.options.js';

/** A watch takes milliseconds; this is for a slow client, and for those that read the list themselves. In ms. */
export const DRAIN_DELAY = 500;

/**
 * How long the drain mark and the delete may wait for etcd, together, in ms. Both are luxury: the lease is revoked at the
 * end. With the default drain delay of 500 ms and the 800 ms of `CoordService.close()` a stop takes 1.6 s at most: a busy
 * machine, too, keeps the 2 s that are promised.
 */
const STOP_BUDGET = 300;

/** What leaves: a registration. */
export interface Leaving {
  drain(options: CallOptions): Promise<void>;
  deregister(options: CallOptions): Promise<void>;
}

export interface TakeLeaveDeps {
  readonly logger: CoordLogger;
  readonly clock?: Clock;
  /** Waits for the drain mark to spread. It holds the process: a stop is not to end before it. @default a timer */
  readonly wait?: (ms: number) => Promise<unknown>;
}

/**
 * Drain mark, `drainDelay`, delete: when it resolves, no client chooses the instance any more. A mark whose answer was lost
 * may be there, so it is given its time like any other; one that was never sent is not waited for. Without a confirmed mark
 * the delete is not waited for either. Bounded, never rejects: a stop must go on.
 */
export async function takeLeave(
  leaving: Leaving,
  drainDelay: number,
  { logger, clock = systemClock, wait = sleep }: TakeLeaveDeps,
): Promise<void> {
  const warn = (error: unknown): void =>
    logger.warn('this process could not be deregistered: its lease will end', { err: error });
  const from = clock.now();
  try {
    await leaving.drain({ timeout: STOP_BUDGET });
  } catch (error) {
    warn(error);
    if (error instanceof OutcomeUnknownError) await wait(drainDelay);
    leaving.deregister({ timeout: STOP_BUDGET }).catch(() => undefined); // it goes on by itself
    return;
  }
  const left = Math.max(1, STOP_BUDGET - (clock.now() - from));
  await wait(drainDelay);
  await leaving.deregister({ timeout: left }).catch(warn);
}
