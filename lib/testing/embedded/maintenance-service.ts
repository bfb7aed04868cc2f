import { type UntypedServiceImplementation } from '@grpc/grpc-js';
import { unary } from './rpc.js';
import { type ServerState } from './server-state.js';

/**
 * The version an embedded server gives as its own. It answers as 3.4 does (a spec compares them), but does not lose the
 * deletes at a compacted revision, as 3.5.20 and later do not.
 */
const VERSION = '3.5.23';

/** Of etcd's Maintenance service, Status. */
export function maintenanceService(state: ServerState): UntypedServiceImplementation {
  return {
    Status: unary(() => ({
      header: state.header(),
      version: VERSION,
      leader: state.memberId,
      raftTerm: state.raftTerm,
      raftIndex: state.store.revision,
      raftAppliedIndex: state.store.revision,
    })),
  };
}

/** Of etcd's Cluster service, the list of members: this one. */
export function clusterService(state: ServerState, endpoint: string): UntypedServiceImplementation {
  return {
    MemberList: unary(() => ({
      header: state.header(),
      members: [{ ID: state.memberId, name: 'embedded', clientURLs: [`http://${endpoint}`] }],
    })),
  };
}
