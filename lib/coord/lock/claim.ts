import { randomUUID } from 'node:crypto';
import { OutcomeUnknownError } from '../../errors/outcome-unknown.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import { type Duration, parseDuration } from '../../options/duration.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { EtcdClient } from '../etcd/etcd.client.js';

export interface ClaimOptions {
  /** How long the claim is remembered; at least 2 s, and longer than the clocks of the processes differ. @default '1h' */
  readonly retain?: Duration;
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long etcd may take. @default '5s' */
  readonly timeout?: Duration;
}

export interface ResolvedClaimOptions {
  readonly retain: number;
  readonly call: CallOptions;
}

export function resolveClaimOptions(options: ClaimOptions = {}): ResolvedClaimOptions {
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError('options', "an object such as { retain: '1h' }", options);
  }
  const { retain = 3_600_000, signal, timeout = 5_000 } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ValidationError('signal', 'an AbortSignal', signal);
  }
  return {
    retain: parseDuration('retain', retain, { min: 2_000 }),
    call: { timeout: parseDuration('timeout', timeout, { min: 1 }), ...(signal && { signal }) },
  };
}

/**
 * Creates `key`, if nobody has. A look comes first: most callers find it taken, and need no lease. The lease of a claim
 * that was not won, or that nobody waits for any more, is revoked; that undoes a claim whose answer was lost, too.
 */
export async function claim(
  client: EtcdClient,
  key: string,
  holder: string,
  { retain, call }: ResolvedClaimOptions,
): Promise<boolean> {
  if ((await client.range({ key, countOnly: true }, call)).count > 0) return false;
  const lease = await client.grant(retain, call);
  // Ours and nobody else's: the transaction may be repeated, and recognises what it did.
  const value = JSON.stringify({ ...(JSON.parse(holder) as object), claim: randomUUID() });
  const owner = async (): Promise<string | undefined> => {
    try {
      const { succeeded, results } = await client.commit(
        {
          compare: [{ key, target: 'create', value: 0n }],
          success: [{ put: { key, value, lease } }],
          failure: [{ range: { key } }],
        },
        { ...call, idempotent: true },
      );
      return succeeded ? value : results[0]?.kvs[0]?.value.toString();
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
      const found = (await client.range({ key }, call)).kvs[0]?.value.toString();
      if (found === undefined) throw error;
      return found;
    }
  };
  let won = false;
  try {
    won = (await owner()) === value;
    return won;
  } finally {
    // If etcd cannot be asked, it ends by itself.
    if (!won) void client.revoke(lease).catch(() => undefined);
  }
}
