import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, ModuleRef } from '@nestjs/core';
import { type CoordLogger, silentLogger } from '../etcd/coord-logger.js';
import { COORD_SERVICE } from '../etcd/tokens.js';
import { ChangeRunner } from './change-runner.js';
import type { ConfigCenter } from './config.center.js';
import type { LiveConfig } from './live-config.js';
import { type ChangeReaction, reactionsOf } from './on-config-change.decorator.js';

const CLOG = Symbol.for('im-infra:clog');

/** How long a stop waits for a method that still runs, in ms. */
const STOP_LIMIT = 5_000;

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];
type Host = Record<string, (...args: unknown[]) => unknown>;

/** Finds the methods under `@OnConfigChange` and runs them while the application lives. */
@Injectable()
export class ConfigChangeExplorer implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #discovery: DiscoveryService;
  readonly #scanner: MetadataScanner;
  readonly #moduleRef: ModuleRef;
  readonly #runners: { readonly where: Record<string, unknown>; readonly runner: ChangeRunner<unknown> }[] =
    [];

  constructor(
    @Inject(DiscoveryService) discovery: DiscoveryService,
    @Inject(MetadataScanner) scanner: MetadataScanner,
    @Inject(ModuleRef) moduleRef: ModuleRef,
  ) {
    this.#discovery = discovery;
    this.#scanner = scanner;
    this.#moduleRef = moduleRef;
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const wrapper of [...this.#discovery.getProviders(), ...this.#discovery.getControllers()]) {
      // An alias is the same instance under another token: its methods must not run twice.
      if (wrapper.isAlias) continue;
      if (wrapper.isDependencyTreeStatic()) await this.#mount(wrapper);
      else this.#warn(wrapper);
    }
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(
      this.#runners.splice(0).map(async ({ where, runner }) => {
        if (await runner.stop(STOP_LIMIT)) return;
        this.#logger().warn('a reaction to a configuration change does not end: it is left behind', where);
      }),
    );
  }

  async #mount({ instance, name }: Wrapper): Promise<void> {
    // An object without a prototype has no methods that a decorator could have marked.
    if (typeof instance !== 'object' || instance === null || !Object.getPrototypeOf(instance)) return;
    const host = instance as Host;
    for (const { method, reaction } of this.#reactions(Object.getPrototypeOf(instance) as object)) {
      const live = await this.#live(reaction);
      const where = { config: reaction.definition.name, method: `${String(name)}.${method}` };
      this.#runners.push({
        where,
        runner: new ChangeRunner(live.value, live.changes$, {
          // Looked up at each call: another library may have replaced the method meanwhile.
          react: (value, previous) => host[method]!(value, previous),
          select: reaction.select,
          report: (error) =>
            this.#logger().error('a reaction to a configuration change threw', { ...where, err: error }),
        }),
      });
    }
  }

  #reactions(prototype: object): { readonly method: string; readonly reaction: ChangeReaction }[] {
    return this.#scanner.getAllMethodNames(prototype).flatMap((method) => {
      const candidate = (prototype as Record<string, unknown>)[method];
      if (typeof candidate !== 'function') return [];
      return reactionsOf(candidate).map((reaction) => ({ method, reaction }));
    });
  }

  #warn({ metatype, name }: Wrapper): void {
    const prototype: unknown = typeof metatype === 'function' ? metatype.prototype : undefined;
    if (typeof prototype !== 'object' || prototype === null) return;
    for (const { method } of this.#reactions(prototype)) {
      this.#logger().warn('@OnConfigChange does nothing here: its host is not a singleton', {
        method: `${String(name)}.${method}`,
      });
    }
  }

  /** The view that was injected elsewhere, where there is one. */
  #live({ definition }: ChangeReaction): LiveConfig<unknown> | Promise<LiveConfig<unknown>> {
    const known = this.#find(definition.token) as LiveConfig<unknown> | undefined;
    if (known) return known;
    const { config } = this.#moduleRef.get<{ readonly config: ConfigCenter }>(COORD_SERVICE, {
      strict: false,
    });
    return config.live(definition);
  }

  #logger(): CoordLogger {
    return (this.#find(CLOG) as CoordLogger | undefined) ?? silentLogger;
  }

  #find(token: symbol): unknown {
    try {
      return this.#moduleRef.get<unknown>(token, { strict: false });
    } catch {
      return undefined;
    }
  }
}
