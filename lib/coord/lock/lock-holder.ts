import { hostname } from 'node:os';
import type { ResolvedService } from '../../options/service.js';

/** Who waits or holds, as it is written into the place: for `im-infra locks ls`, never for a decision. */
export interface LockHolder {
  readonly service: string;
  readonly instance: string;
  readonly host: string;
  readonly pid: number;
  /** When the place was taken, by the wall clock of its host. */
  readonly since: string;
}

/** Writes the value of each place. The constant part is serialised once, the date and the time once a second. */
export function holderWriter({ name, instanceId }: ResolvedService): () => string {
  const constant = JSON.stringify({
    service: name,
    instance: instanceId,
    host: hostname(),
    pid: process.pid,
  }).slice(0, -1);
  let second = NaN;
  let start = '';
  return () => {
    const now = Date.now();
    const ms = now % 1_000;
    if (now - ms !== second) {
      second = now - ms;
      start = `${constant},"since":"${new Date(second).toISOString().slice(0, -'000Z'.length)}`;
    }
    return `${start}${String(ms).padStart(3, '0')}Z"}`;
  };
}

/** Reads the value of a place; `undefined` for one that another kind of client made. */
export function parseHolder(value: Buffer): LockHolder | undefined {
  try {
    const holder = JSON.parse(value.toString()) as Partial<LockHolder> | null;
    return typeof holder?.instance === 'string' ? (holder as LockHolder) : undefined;
  } catch {
    return undefined;
  }
}
