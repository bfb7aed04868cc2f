import { keyBytes } from './span.js';
import { type KeyVersion } from './key-index.js';
import { type WireKeyValue } from './messages.js';

/** A version as etcd sends it. */
export function wireKeyValue(version: KeyVersion, keysOnly = false): WireKeyValue {
  return {
    key: keyBytes(version.key),
    createRevision: version.created,
    modRevision: version.revision,
    version: version.version,
    lease: version.lease.toString(),
    ...(!keysOnly && { value: version.value }),
  };
}
