import type { ClientGrpcProxy } from '@nestjs/microservices';
import { type Observable, ReplaySubject } from 'rxjs';
import { ClosedError } from '../../errors/closed.error.js';
import { type Duration, parseDuration } from '../../options/duration.js';
import type { CallHeaders } from '../registry/balancing/candidate.js';
import { type PickOptions, type PickPolicy, Picking } from '../registry/picking.js';
import type { ChannelView } from './channel-view.js';
import type { ServiceExplanation } from '../registry/service-explanation.js';
import type { CallOptions } from '../etcd/etcd.options.js';
import type { RoomContext } from '../etcd/room-context.js';
import { Discovery } from '../registry/discovery.js';
import type { RegisterInstanceOptions } from '../registry/registrar.js';
import { Registrar } from '../registry/registrar.js';
import type { Registration } from '../registry/registration.js';
import { ServiceDirectories } from '../registry/service-directories.js';
import type { ServiceEvent } from '../registry/service-directory.js';
import type { ServiceInstance } from '../registry/service-instance.js';
import { sourceOf } from '../registry/source.js';
import {
  type CoordConnection,
  type CoordGrpcClient,
  type CoordGrpcClientOptions,
  clientOptions,
  connection,
} from './client-options.js';
import type { CoordGrpcOptions } from './coord-grpc.options.js';
import { assertOneCopy, installScheme } from './grpc-scheme.js';
import { OwnClientProxy } from './own-client.proxy.js';
import { type LiveRegistry, announceRegistry } from './registry-table.js';
import { clientClasses, warmUp } from './warmup.js';

export interface WarmUpOptions {
  /** How long to wait for connections. @default '5s' */
  readonly timeout?: Duration;
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Who serves what: publishes instances of this process, finds those of others, and makes gRPC clients that follow them.
 * All keys hang on the shared session; all lookups of a service share one watch.
 */
export class ServiceRegistry {
  readonly #context: RoomContext;
  readonly #directories: ServiceDirectories;
  readonly #registrar: Registrar;
  readonly #discovery: Discovery;
  readonly #picking: Picking;
  readonly #closing = new ReplaySubject<void>(1);
  readonly #proxies = new Set<ClientGrpcProxy>();
  readonly #channels = new Set<ChannelView>();
  readonly #live: LiveRegistry;
  readonly #withdraw: () => void;
  #closed: Promise<void> | undefined;

  constructor(context: RoomContext) {
    this.#context = context;
    this.#directories = new ServiceDirectories(context);
    this.#registrar = new Registrar(context, this.#directories);
    this.#discovery = new Discovery(context, this.#directories, this.#closing);
    this.#picking = new Picking(this.#directories, context.service.instanceId);
    installScheme();
    this.#live = liveRegistry(context, this.#directories, this.#channels);
    this.#withdraw = announceRegistry(this.#live);
  }

  /** Publishes an instance until it is deregistered. The key is put back by itself when it is lost. */
  register(
    instance: Omit<ServiceInstance, 'id'> & { readonly id?: string },
    opts?: RegisterInstanceOptions,
  ): Promise<Registration> {
    return this.#registrar.register(instance, opts);
  }

  /** Ends the registrations of this process that have this id. Resolves when none is left, also if there was none. */
  deregister(serviceId: string, options?: CallOptions): Promise<void> {
    return this.#registrar.deregister(serviceId, options);
  }

  /**
   * Takes everything that this process registered out of the registry without a failed call: drain mark, `drainDelay`,
   * delete. When it resolves no client chooses it any more. Bounded, idempotent, never rejects.
   */
  async drain(): Promise<void> {
    await this.#registrar.drain();
  }

  /**
   * The instances that serve `name`, read from etcd; while etcd is away, what was known last. It is etcd's own view: when
   * etcd loses everything at once, so does this. {@link pick} is guarded against that.
   */
  discover(name: string, options?: CallOptions): Promise<ServiceInstance[]> {
    return this.#discovery.discover(name, options);
  }

  /**
   * The instances that serve `name`: the current set first, then every change. Never errors. It is etcd's own view, not
   * guarded against losing everything at once; for requests that are not gRPC use {@link pick}.
   */
  watch(name: string): Observable<readonly ServiceInstance[]> {
    return this.#discovery.watch(name);
  }

  /** Each instance of `name` that there is, comes, changes or goes, in etcd's own view. Never errors. */
  events(name: string): Observable<ServiceEvent> {
    return this.#discovery.events(name);
  }

  /** A Nest client of `name`; closed with this registry, or by its own `close()`. */
  clientProxy(name: string, options: CoordGrpcClientOptions): ClientGrpcProxy {
    this.#assertOpen();
    const proxy = new OwnClientProxy(this.clientOptions(name, options).options, () =>
      this.#proxies.delete(proxy),
    );
    for (const clientClass of clientClasses(proxy).values()) assertOneCopy(clientClass);
    this.#proxies.add(proxy);
    return proxy;
  }

  /** Like `coordGrpc()`, bound to this registry: for `ClientsModule.registerAsync()` in a process with several. */
  clientOptions(name: string, options: CoordGrpcClientOptions): CoordGrpcClient {
    return clientOptions(name, options, this.#live);
  }

  /** Target and channel options for any grpc-js client class. */
  getConnection(name: string, options: CoordGrpcOptions = {}): CoordConnection {
    return connection(name, options, {}, [], this.#live);
  }

  /**
   * One instance of `name` for a call that is not gRPC, chosen by the policy: in turn by default. It leaves out the draining
   * while there is anybody else, and keeps to the last good set when the registry loses everything at once. Rejects with a {@link NoInstanceError} if there
   * is nobody, with `CoordUnavailableError` if etcd has never said.
   */
  pick(name: string, policy?: PickPolicy | PickOptions): Promise<ServiceInstance> {
    return this.#picking.pick(name, policy);
  }

  /**
   * Says which instance a call of `name` with these headers would get from a client of this process, and why the others would
   * not. It takes the client that was connected last.
   */
  async explain(
    name: string,
    headers: Readonly<Record<string, string>> = {},
    options?: CallOptions,
  ): Promise<ServiceExplanation> {
    const call = headersOf(headers);
    const channel = [...this.#channels].findLast(({ service }) => service === name);
    if (channel) return channel.explain(call);
    return this.#picking.explain(name, call, options);
  }

  /** Connects a client before its first call. Rejects with `CoordUnavailableError` if nobody answers in time. */
  warmup(proxy: ClientGrpcProxy, { timeout = 5_000, signal }: WarmUpOptions = {}): Promise<void> {
    return warmUp(proxy, parseDuration('timeout', timeout, { min: 1 }), signal);
  }

  /** Deregisters everything, closes the clients made here and all watches. Bounded, idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#registrar.close();
    for (const proxy of this.#proxies) proxy.close();
    this.#withdraw();
    this.#closing.next();
    this.#closing.complete();
    this.#picking.close();
    this.#directories.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new ClosedError(`the registry of ${this.#context.service.name} is closed`);
  }
}

function liveRegistry(
  context: RoomContext,
  directories: ServiceDirectories,
  channels: Set<ChannelView>,
): LiveRegistry {
  const { service, logger } = context;
  return {
    names: [service.instanceId, service.name],
    client: service.instanceId,
    logger,
    source: sourceOf(context),
    open: (name) => directories.open(name),
    show: (channel) => {
      channels.add(channel);
      return () => channels.delete(channel);
    },
  };
}

function headersOf(given: Readonly<Record<string, string>>): CallHeaders {
  const headers = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
  return { get: (name) => headers.get(name) };
}
