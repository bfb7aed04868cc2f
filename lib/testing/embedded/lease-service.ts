import { type ServerDuplexStream, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { asServerError, unary } from './rpc.js';
import { type ServerState } from './server-state.js';
import { keyBytes } from './span.js';

interface LeaseRequest {
  readonly ID: string;
}

/** etcd's Lease service. */
export function leaseService(state: ServerState): UntypedServiceImplementation {
  const { leases } = state;
  return {
    LeaseGrant: unary((request: LeaseRequest & { readonly TTL: string }, metadata) => {
      state.caller(metadata);
      const lease = leases.grant(BigInt(request.ID), Number(request.TTL));
      return { header: state.header(), ID: lease.id.toString(), TTL: lease.ttl };
    }),
    LeaseRevoke: unary((request: LeaseRequest, metadata) => {
      const caller = state.caller(metadata);
      const lease = leases.find(BigInt(request.ID));
      for (const key of lease?.keys ?? []) state.auth.check(caller, 'write', { from: key, to: `${key}\0` });
      leases.revoke(BigInt(request.ID));
      return { header: state.header() };
    }),
    LeaseTimeToLive: unary((request: LeaseRequest & { readonly keys: boolean }) => {
      leases.expireDue();
      const lease = leases.find(BigInt(request.ID));
      if (lease === undefined) return { header: state.header(), ID: request.ID, TTL: -1 };
      const keys = request.keys ? [...lease.keys].map(keyBytes) : [];
      const TTL = leases.remaining(lease);
      return { header: state.header(), ID: request.ID, TTL, grantedTTL: lease.ttl, keys };
    }),
    LeaseLeases: unary(() => ({
      header: state.header(),
      leases: leases.all().map(({ id }) => ({ ID: id.toString() })),
    })),
    LeaseKeepAlive: (call: ServerDuplexStream<LeaseRequest, object>): void => {
      call.on('data', ({ ID }: LeaseRequest) => {
        // The header first: a client must not read a revision at which a lease that it kept was gone already.
        const header = state.header();
        call.write({ header, ID, TTL: leases.renew(BigInt(ID)) });
      });
      call.on('end', () => call.end());
      call.on('error', (error) => call.destroy(asServerError(error)));
    },
  };
}
