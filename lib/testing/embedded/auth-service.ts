import { type handleUnaryCall, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { unary } from './rpc.js';
import { type ServerState } from './server-state.js';
import { spanOf } from './span.js';

interface NameAndPassword {
  readonly name: string;
  readonly password: string;
}

interface GrantRequest {
  readonly name: string;
  readonly perm?: { readonly permType: number; readonly key: Buffer; readonly rangeEnd: Buffer } | null;
}

/** The part of etcd's Auth service that applications meet: tokens, users, their roles, and permissions on ranges. */
export function authService(state: ServerState): UntypedServiceImplementation {
  const { auth } = state;
  /** Only root may, once authentication is on. */
  const admin = <Request>(run: (request: Request) => object | undefined): handleUnaryCall<Request, object> =>
    unary<Request, object>((request, metadata) => {
      auth.checkAdmin(state.caller(metadata));
      return { ...run(request), header: state.header() };
    });
  /** The same, where there is nothing to answer. */
  const change = <Request>(run: (request: Request) => void): handleUnaryCall<Request, object> =>
    admin<Request>((request) => {
      run(request);
      return undefined;
    });
  return {
    Authenticate: unary(({ name, password }: NameAndPassword) => {
      return { token: auth.authenticate(name, password), header: state.header() };
    }),
    AuthStatus: admin(() => ({ enabled: auth.enabled, authRevision: auth.revision })),
    AuthEnable: change(() => auth.enable()),
    AuthDisable: change(() => auth.disable()),
    UserAdd: change(({ name, password }: NameAndPassword) => auth.addUser(name, password)),
    UserDelete: change(({ name }: NameAndPassword) => auth.deleteUser(name)),
    UserChangePassword: change(({ name, password }: NameAndPassword) => auth.changePassword(name, password)),
    UserGet: admin(({ name }: NameAndPassword) => ({ roles: auth.rolesOf(name) })),
    UserList: admin(() => ({ users: auth.users() })),
    UserGrantRole: change(({ user, role }: { user: string; role: string }) => auth.grantRole(user, role)),
    UserRevokeRole: change(({ name, role }: { name: string; role: string }) => auth.revokeRole(name, role)),
    RoleAdd: change(({ name }: { name: string }) => auth.addRole(name)),
    RoleGrantPermission: change(({ name, perm }: GrantRequest) => {
      if (perm) auth.grantPermission(name, { span: spanOf(perm.key, perm.rangeEnd), kind: perm.permType });
    }),
  };
}
