import type { ConfigCodec } from './config-codec.js';
import type { HistoryEntry } from './config-history.js';
import type { SecretPolicy } from './secret-policy.js';

/** One value that a key had, to be shown. */
export interface ConfigHistoryEntry extends Omit<HistoryEntry, 'bytes'> {
  /** Without secrets; left out of a deletion and of a value that is not what the codec reads. */
  readonly value?: unknown;
}

export function showEntry(
  { bytes, ...entry }: HistoryEntry,
  key: string,
  codec: ConfigCodec,
  secrets: SecretPolicy,
): ConfigHistoryEntry {
  if (!bytes) return entry;
  try {
    return { ...entry, value: secrets.redact([key], codec.decode(bytes)) };
  } catch {
    return entry;
  }
}
