import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { ClogService } from './clog/clog.service.js';
import { CoordService } from './coord/coord.service.js';
import { warnOfAbruptServers } from './coord/grpc/abrupt-server.js';
import { MODULE_OPTIONS_TOKEN } from './im-infra.module-definition.js';
import type { ImInfraOptions } from './im-infra.options.js';

/**
 * The order of an application's life. Start: logs, etcd, configuration, then Nest listens, then the own port answers and
 * the process is published. Stop: taken out of the registry while the servers still serve, then Nest closes them, then
 * locks and leases are released and the connection ends; logs come last.
 */
@Injectable()
export class ImInfraLifecycle
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown
{
  readonly #options: ImInfraOptions;
  readonly #clog: ClogService;
  readonly #coord: CoordService;
  readonly #modules: ModulesContainer;

  constructor(
    @Inject(MODULE_OPTIONS_TOKEN) options: ImInfraOptions,
    @Inject(ClogService) clog: ClogService,
    @Inject(CoordService) coord: CoordService,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    this.#options = options;
    this.#clog = clog;
    this.#coord = coord;
    this.#modules = modules;
  }

  onModuleInit(): void {
    if (this.#options.coord) this.#clog.follow(this.#coord.config.watchNearest('clog'));
  }

  onApplicationBootstrap(): void {
    const { register } = this.#options;
    if (!register) return;
    this.#coord.announce(register);
    const logger = this.#clog.namespace('im-infra.coord');
    warnOfAbruptServers(this.#modules, register.port, logger);
  }

  async onModuleDestroy(): Promise<void> {
    if (this.#options.coord) await this.#coord.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.#options.coord) await this.#coord.close();
    await this.#clog.close();
  }
}
