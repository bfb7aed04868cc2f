import { fromJSON, type PackageDefinition } from '@grpc/proto-loader';
import { type ServiceDefinition } from '@grpc/grpc-js';
import { type RequestSize } from './messages.js';

/**
 * The part of etcd's v3 protocol that {@link EmbeddedEtcd} speaks: names and numbers as on the wire, `type field[] = number`.
 * It is written down here, not read from etcd3's .proto files, because neither module format can find a file of another
 * package in a way that also compiles to the other (no `import.meta`, no `__dirname`). Enums are int32, as on the wire.
 */
const MESSAGES: Readonly<Record<string, string>> = {
  KeyValue:
    'bytes key=1, int64 createRevision=2, int64 modRevision=3, int64 version=4, bytes value=5, int64 lease=6',
  Event: 'int32 type=1, KeyValue kv=2, KeyValue prevKv=3',
  ResponseHeader: 'uint64 clusterId=1, uint64 memberId=2, int64 revision=3, uint64 raftTerm=4',
  RangeRequest:
    'bytes key=1, bytes rangeEnd=2, int64 limit=3, int64 revision=4, int32 sortOrder=5, int32 sortTarget=6, bool serializable=7, bool keysOnly=8, bool countOnly=9, int64 minModRevision=10, int64 maxModRevision=11, int64 minCreateRevision=12, int64 maxCreateRevision=13',
  RangeResponse: 'ResponseHeader header=1, KeyValue kvs[]=2, bool more=3, int64 count=4',
  PutRequest:
    'bytes key=1, bytes value=2, int64 lease=3, bool prevKv=4, bool ignoreValue=5, bool ignoreLease=6',
  PutResponse: 'ResponseHeader header=1, KeyValue prevKv=2',
  DeleteRangeRequest: 'bytes key=1, bytes rangeEnd=2, bool prevKv=3',
  DeleteRangeResponse: 'ResponseHeader header=1, int64 deleted=2, KeyValue prevKvs[]=3',
  RequestOp:
    'RangeRequest requestRange=1, PutRequest requestPut=2, DeleteRangeRequest requestDeleteRange=3, TxnRequest requestTxn=4',
  ResponseOp:
    'RangeResponse responseRange=1, PutResponse responsePut=2, DeleteRangeResponse responseDeleteRange=3, TxnResponse responseTxn=4',
  Compare:
    'int32 result=1, int32 target=2, bytes key=3, int64 version=4, int64 createRevision=5, int64 modRevision=6, bytes value=7, int64 lease=8, bytes rangeEnd=64',
  TxnRequest: 'Compare compare[]=1, RequestOp success[]=2, RequestOp failure[]=3',
  TxnResponse: 'ResponseHeader header=1, bool succeeded=2, ResponseOp responses[]=3',
  CompactionRequest: 'int64 revision=1, bool physical=2',
  CompactionResponse: 'ResponseHeader header=1',
  WatchRequest:
    'WatchCreateRequest createRequest=1, WatchCancelRequest cancelRequest=2, WatchProgressRequest progressRequest=3',
  WatchCreateRequest:
    'bytes key=1, bytes rangeEnd=2, int64 startRevision=3, bool progressNotify=4, int32 filters[]=5, bool prevKv=6, int64 watchId=7, bool fragment=8',
  WatchCancelRequest: 'int64 watchId=1',
  WatchProgressRequest: '',
  WatchResponse:
    'ResponseHeader header=1, int64 watchId=2, bool created=3, bool canceled=4, int64 compactRevision=5, string cancelReason=6, bool fragment=7, Event events[]=11',
  LeaseGrantRequest: 'int64 TTL=1, int64 ID=2',
  LeaseGrantResponse: 'ResponseHeader header=1, int64 ID=2, int64 TTL=3, string error=4',
  LeaseRevokeRequest: 'int64 ID=1',
  LeaseRevokeResponse: 'ResponseHeader header=1',
  LeaseKeepAliveRequest: 'int64 ID=1',
  LeaseKeepAliveResponse: 'ResponseHeader header=1, int64 ID=2, int64 TTL=3',
  LeaseTimeToLiveRequest: 'int64 ID=1, bool keys=2',
  LeaseTimeToLiveResponse:
    'ResponseHeader header=1, int64 ID=2, int64 TTL=3, int64 grantedTTL=4, bytes keys[]=5',
  LeaseLeasesRequest: '',
  LeaseStatus: 'int64 ID=1',
  LeaseLeasesResponse: 'ResponseHeader header=1, LeaseStatus leases[]=2',
  Member: 'uint64 ID=1, string name=2, string peerURLs[]=3, string clientURLs[]=4, bool isLearner=5',
  MemberListRequest: 'bool linearizable=1',
  MemberListResponse: 'ResponseHeader header=1, Member members[]=2',
  StatusRequest: '',
  StatusResponse:
    'ResponseHeader header=1, string version=2, int64 dbSize=3, uint64 leader=4, uint64 raftIndex=5, uint64 raftTerm=6, uint64 raftAppliedIndex=7, string errors[]=8, int64 dbSizeInUse=9, bool isLearner=10',
  AuthEnableRequest: '',
  AuthEnableResponse: 'ResponseHeader header=1',
  AuthDisableRequest: '',
  AuthDisableResponse: 'ResponseHeader header=1',
  AuthStatusRequest: '',
  AuthStatusResponse: 'ResponseHeader header=1, bool enabled=2, uint64 authRevision=3',
  AuthenticateRequest: 'string name=1, string password=2',
  AuthenticateResponse: 'ResponseHeader header=1, string token=2',
  UserAddOptions: 'bool noPassword=1',
  AuthUserAddRequest: 'string name=1, string password=2, UserAddOptions options=3',
  AuthUserAddResponse: 'ResponseHeader header=1',
  AuthUserDeleteRequest: 'string name=1',
  AuthUserDeleteResponse: 'ResponseHeader header=1',
  AuthUserChangePasswordRequest: 'string name=1, string password=2',
  AuthUserChangePasswordResponse: 'ResponseHeader header=1',
  AuthUserGetRequest: 'string name=1',
  AuthUserGetResponse: 'ResponseHeader header=1, string roles[]=2',
  AuthUserListRequest: '',
  AuthUserListResponse: 'ResponseHeader header=1, string users[]=2',
  AuthUserGrantRoleRequest: 'string user=1, string role=2',
  AuthUserGrantRoleResponse: 'ResponseHeader header=1',
  AuthUserRevokeRoleRequest: 'string name=1, string role=2',
  AuthUserRevokeRoleResponse: 'ResponseHeader header=1',
  Permission: 'int32 permType=1, bytes key=2, bytes rangeEnd=3',
  AuthRoleAddRequest: 'string name=1',
  AuthRoleAddResponse: 'ResponseHeader header=1',
  AuthRoleGrantPermissionRequest: 'string name=1, Permission perm=2',
  AuthRoleGrantPermissionResponse: 'ResponseHeader header=1',
};

/** Fields of which at most one is on the wire: their default value is not made up when they are absent. */
const ONEOFS: Readonly<Record<string, readonly string[]>> = {
  RequestOp: ['requestRange', 'requestPut', 'requestDeleteRange', 'requestTxn'],
  ResponseOp: ['responseRange', 'responsePut', 'responseDeleteRange', 'responseTxn'],
  Compare: ['version', 'createRevision', 'modRevision', 'value', 'lease'],
  WatchRequest: ['createRequest', 'cancelRequest', 'progressRequest'],
};

/** Methods of each service, `Name` or `Name:Messages` where the messages are named otherwise; `~` marks a stream both ways. */
const SERVICES = {
  KV: 'Range Put DeleteRange Txn Compact:Compaction',
  Watch: '~Watch',
  Lease: 'LeaseGrant LeaseRevoke ~LeaseKeepAlive LeaseTimeToLive LeaseLeases',
  Cluster: 'MemberList',
  Maintenance: 'Status',
  Auth: 'AuthEnable AuthDisable AuthStatus Authenticate UserAdd:AuthUserAdd UserDelete:AuthUserDelete UserChangePassword:AuthUserChangePassword UserGet:AuthUserGet UserList:AuthUserList UserGrantRole:AuthUserGrantRole UserRevokeRole:AuthUserRevokeRole RoleAdd:AuthRoleAdd RoleGrantPermission:AuthRoleGrantPermission',
} as const;

export type EtcdServiceName = keyof typeof SERVICES;

interface Field {
  readonly rule?: 'repeated';
  readonly type: string;
  readonly id: number;
}

function fields(text: string): Record<string, Field> {
  const found: Record<string, Field> = {};
  for (const [, type, name, many, id] of text.matchAll(/(\w+) (\w+)(\[\])?=(\d+)/g)) {
    found[name!] = { type: type!, id: Number(id), ...(many && { rule: 'repeated' as const }) };
  }
  return found;
}

/** All of it, as proto-loader gives it. */
export function packageDefinition(): PackageDefinition {
  const nested: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(MESSAGES)) {
    const oneof = ONEOFS[name];
    nested[name] = { fields: fields(text), ...(oneof && { oneofs: { union: { oneof } } }) };
  }
  for (const [name, text] of Object.entries(SERVICES)) {
    const methods: Record<string, unknown> = {};
    for (const [, stream, method, messages = method] of text.matchAll(/(~?)(\w+)(?::(\w+))?/g)) {
      const streams = stream ? { requestStream: true, responseStream: true } : {};
      methods[method!] = {
        requestType: `${messages}Request`,
        responseType: `${messages}Response`,
        ...streams,
      };
    }
    nested[name] = { methods };
  }
  return fromJSON({ nested: { etcdserverpb: { nested } } } as Parameters<typeof fromJSON>[0], {
    longs: String,
    defaults: true,
    arrays: true,
    bytes: Buffer,
  });
}

let loaded: PackageDefinition | undefined;

/** One service of etcd, for a grpc-js server or client. Every request carries its size on the wire as {@link RequestSize}. */
export function etcdService(name: EtcdServiceName): ServiceDefinition {
  loaded ??= packageDefinition();
  const service = loaded[`etcdserverpb.${name}`] as ServiceDefinition;
  return Object.fromEntries(
    Object.entries(service).map(([method, definition]) => [
      method,
      {
        ...definition,
        requestDeserialize: (bytes: Buffer): RequestSize =>
          Object.assign(definition.requestDeserialize(bytes) as object, { wireSize: bytes.length }),
      },
    ]),
  );
}
