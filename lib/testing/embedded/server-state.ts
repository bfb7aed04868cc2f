import { randomBytes } from 'node:crypto';
import { type Metadata } from '@grpc/grpc-js';
import { AuthBook } from './auth-book.js';
import { LeaseBook } from './lease-book.js';
import { type Header } from './messages.js';
import { MvccStore } from './mvcc-store.js';

/** What a server knows, apart from any connection: it outlives a restart of the server. */
export class ServerState {
  readonly store: MvccStore;
  readonly leases: LeaseBook;
  readonly auth = new AuthBook();
  readonly clusterId = uint64();
  readonly memberId = uint64();
  /** Counts elections: one at the start and one at every restart. */
  raftTerm = 2;

  constructor() {
    this.leases = new LeaseBook((lease) => {
      const keys = [...lease.keys].sort();
      this.store.transact(() => {
        for (const key of keys) this.store.delete({ from: key, to: `${key}\0` });
      });
    });
    this.store = new MvccStore(this.leases);
  }

  header(revision = this.store.revision): Header {
    const { clusterId, memberId, raftTerm } = this;
    return { clusterId, memberId, revision, raftTerm };
  }

  /** Whose call it is. Throws for a token that is not (any longer) known. */
  caller(metadata: Metadata): string | undefined {
    const [token] = metadata.get('token');
    return this.auth.identify(token?.toString());
  }
}

function uint64(): string {
  return randomBytes(8).readBigUInt64BE().toString();
}
