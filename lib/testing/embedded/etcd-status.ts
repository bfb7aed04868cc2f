import { status } from '@grpc/grpc-js';

/** An answer that is an error: etcd's gRPC code and its exact text. Clients tell errors apart by that text. */
export class EtcdStatus extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
    this.name = 'EtcdStatus';
  }
}

const make = (code: status, text: string) => (): EtcdStatus => new EtcdStatus(code, `etcdserver: ${text}`);

/** The errors of etcd 3.4 to 3.6 that an embedded server can meet (etcd: server/etcdserver/api/v3rpc/rpctypes). */
export const etcdErrors = {
  emptyKey: make(status.INVALID_ARGUMENT, 'key is not provided'),
  keyNotFound: make(status.INVALID_ARGUMENT, 'key not found'),
  valueProvided: make(status.INVALID_ARGUMENT, 'value is provided'),
  leaseProvided: make(status.INVALID_ARGUMENT, 'lease is provided'),
  tooManyOps: make(status.INVALID_ARGUMENT, 'too many operations in txn request'),
  duplicateKey: make(status.INVALID_ARGUMENT, 'duplicate key given in txn request'),
  requestTooLarge: make(status.INVALID_ARGUMENT, 'request is too large'),
  compacted: make(status.OUT_OF_RANGE, 'mvcc: required revision has been compacted'),
  futureRevision: make(status.OUT_OF_RANGE, 'mvcc: required revision is a future revision'),
  leaseNotFound: make(status.NOT_FOUND, 'requested lease not found'),
  leaseExists: make(status.FAILED_PRECONDITION, 'lease already exists'),
  leaseTtlTooLarge: make(status.OUT_OF_RANGE, 'too large lease TTL'),
  authNotEnabled: make(status.FAILED_PRECONDITION, 'authentication is not enabled'),
  authFailed: make(status.INVALID_ARGUMENT, 'authentication failed, invalid user ID or password'),
  invalidAuthToken: make(status.UNAUTHENTICATED, 'invalid auth token'),
  invalidAuthManagement: make(status.INVALID_ARGUMENT, 'invalid auth management'),
  permissionDenied: make(status.PERMISSION_DENIED, 'permission denied'),
  rootUserMissing: make(status.FAILED_PRECONDITION, 'root user does not exist'),
  rootRoleMissing: make(status.FAILED_PRECONDITION, 'root user does not have root role'),
  userExists: make(status.FAILED_PRECONDITION, 'user name already exists'),
  userEmpty: make(status.INVALID_ARGUMENT, 'user name is empty'),
  userNotFound: make(status.FAILED_PRECONDITION, 'user name not found'),
  roleExists: make(status.FAILED_PRECONDITION, 'role name already exists'),
  roleNotFound: make(status.FAILED_PRECONDITION, 'role name not found'),
  roleNotGranted: make(status.FAILED_PRECONDITION, 'role is not granted to the user'),
} as const;
