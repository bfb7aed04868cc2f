import { Backoff, pause } from './backoff.js';
import type { Clock } from './clock.js';
import type { Connection } from './connection.js';
import type { Generation } from './generation.js';
import { RpcFailure } from './rpc-failure.js';

interface RevokeDeps {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly random: () => number;
  readonly requestTimeout: number;
}

/** Asks once; resolves with whether the lease is known to be gone. */
export async function revokeLease(
  generation: Generation,
  leaseId: bigint,
  timeout: number,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await generation.unary(
      (rpc, options) => rpc.lease.leaseRevoke({ ID: leaseId.toString() }, options),
      timeout,
      signal,
    );
    return true;
  } catch (error) {
    if (error instanceof RpcFailure && error.doubt) generation.drop(error);
    return error instanceof RpcFailure && error.fate === 'refused';
  }
}

/**
 * Asks until the lease is gone, or `closing` aborts. Nobody renews the lease of a lost session, but etcd extends all when
 * its leader changes: it may be there for long.
 */
export async function insistOnRevoking(
  leaseId: bigint,
  closing: AbortSignal,
  { connection, clock, random, requestTimeout }: RevokeDeps,
): Promise<void> {
  const backoff = new Backoff({ first: 100, most: 5_000 }, random);
  while (!closing.aborted && !connection.closing.aborted) {
    try {
      const generation = await connection.whenLive({ timeout: Infinity, signal: closing });
      if (await revokeLease(generation, leaseId, requestTimeout, closing)) return;
    } catch {
      // No connection for good, or closed: then nothing can be revoked.
    }
    await pause(clock, backoff.next(), closing);
  }
}
