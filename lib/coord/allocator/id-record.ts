import type { KeyValue } from '../etcd/kv.js';

/** What the key of an id says: who has it, or who had it and since when it rests. For eyes, and to find one's own again. */
export interface IdRecord {
  readonly instance: string;
  /** Tells acquisitions apart: a repeated transaction recognises its own. */
  readonly nonce: string;
  /** Released; nobody else gets it until its lease has ended. */
  readonly resting?: true;
}

export function parseIdRecord({ value }: Pick<KeyValue, 'value'>): IdRecord | undefined {
  try {
    const record = JSON.parse(value.toString()) as Partial<IdRecord> | null;
    return typeof record?.instance === 'string' ? (record as IdRecord) : undefined;
  } catch {
    return undefined;
  }
}
