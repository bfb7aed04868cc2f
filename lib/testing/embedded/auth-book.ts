import { randomBytes } from 'node:crypto';
import { etcdErrors } from './etcd-status.js';
import { type Span, spanHas } from './span.js';

const ROOT = 'root';

interface User {
  readonly name: string;
  password: string;
  readonly roles: Set<string>;
}

/** `kind`: 0 read, 1 write, 2 both. */
export interface Permission {
  readonly span: Span;
  readonly kind: number;
}

export type Access = 'read' | 'write';

/**
 * Users, roles and simple tokens, as etcd's auth store has them. Passwords are kept as they are: this server is for tests.
 * Tokens live until the server restarts or their user changes.
 */
export class AuthBook {
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Permission[]>();
  readonly #tokens = new Map<string, string>();
  #enabled = false;
  #revision = 1;

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Counts changes, from 1. */
  get revision(): number {
    return this.#revision;
  }

  enable(): void {
    if (this.#enabled) return;
    const root = this.#users.get(ROOT);
    if (root === undefined) throw etcdErrors.rootUserMissing();
    if (!root.roles.has(ROOT)) throw etcdErrors.rootRoleMissing();
    this.#enabled = true;
  }

  disable(): void {
    if (!this.#enabled) return;
    this.#enabled = false;
    this.#revision++;
    this.#tokens.clear();
  }

  authenticate(name: string, password: string): string {
    if (!this.#enabled) throw etcdErrors.authNotEnabled();
    const user = this.#users.get(name);
    if (user === undefined || user.password !== password) throw etcdErrors.authFailed();
    const token = `${randomBytes(12).toString('base64url')}.${this.#revision}`;
    this.#tokens.set(token, name);
    return token;
  }

  /** Whose token it is; `undefined` without a token or while authentication is off. An unknown token is refused. */
  identify(token: string | undefined): string | undefined {
    if (!this.#enabled || token === undefined) return undefined;
    const name = this.#tokens.get(token);
    if (name === undefined) throw etcdErrors.invalidAuthToken();
    return name;
  }

  /** Throws unless `name` may do that to all keys of `span`. */
  check(name: string | undefined, access: Access, span: Span): void {
    if (!this.#enabled) return;
    if (name === undefined) throw etcdErrors.userEmpty();
    const roles = this.#users.get(name)?.roles;
    if (roles?.has(ROOT)) return;
    const allowed = [...(roles ?? [])].some((role) =>
      (this.#roles.get(role) ?? []).some((each) => permits(each, access, span)),
    );
    if (!allowed) throw etcdErrors.permissionDenied();
  }

  checkAdmin(name: string | undefined): void {
    if (!this.#enabled) return;
    if (name === undefined) throw etcdErrors.userEmpty();
    if (!this.#user(name).roles.has(ROOT)) throw etcdErrors.permissionDenied();
  }

  users(): string[] {
    return [...this.#users.keys()].sort();
  }

  rolesOf(name: string): string[] {
    return [...this.#user(name).roles].sort();
  }

  addUser(name: string, password: string): void {
    if (name === '') throw etcdErrors.userEmpty();
    if (this.#users.has(name)) throw etcdErrors.userExists();
    this.#users.set(name, { name, password, roles: new Set() });
    this.#revision++;
  }

  deleteUser(name: string): void {
    if (this.#enabled && name === ROOT) throw etcdErrors.invalidAuthManagement();
    this.#users.delete(this.#user(name).name);
    this.#changed(name);
  }

  changePassword(name: string, password: string): void {
    this.#user(name).password = password;
    this.#changed(name);
  }

  grantRole(name: string, role: string): void {
    const user = this.#user(name);
    if (role !== ROOT && !this.#roles.has(role)) throw etcdErrors.roleNotFound();
    if (user.roles.has(role)) return;
    user.roles.add(role);
    this.#revision++;
  }

  revokeRole(name: string, role: string): void {
    if (this.#enabled && name === ROOT && role === ROOT) throw etcdErrors.invalidAuthManagement();
    if (!this.#user(name).roles.delete(role)) throw etcdErrors.roleNotGranted();
    this.#revision++;
  }

  addRole(role: string): void {
    if (this.#roles.has(role)) throw etcdErrors.roleExists();
    this.#roles.set(role, []);
    this.#revision++;
  }

  grantPermission(role: string, permission: Permission): void {
    const permissions = this.#roles.get(role);
    if (permissions === undefined) throw etcdErrors.roleNotFound();
    permissions.push(permission);
    this.#revision++;
  }

  /** Simple tokens are kept in memory only: a restart of the server ends them. */
  forgetTokens(): void {
    this.#tokens.clear();
  }

  #user(name: string): User {
    const user = this.#users.get(name);
    if (user === undefined) throw etcdErrors.userNotFound();
    return user;
  }

  #changed(name: string): void {
    this.#revision++;
    for (const [token, owner] of this.#tokens) if (owner === name) this.#tokens.delete(token);
  }
}

const READ_ONLY = 0;
const WRITE_ONLY = 1;

function permits({ span, kind }: Permission, access: Access, wanted: Span): boolean {
  if (kind === (access === 'read' ? WRITE_ONLY : READ_ONLY)) return false;
  if (!spanHas(span, wanted.from)) return false;
  return span.to === undefined || (wanted.to !== undefined && wanted.to <= span.to);
}
