import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { COORD_SERVICE } from '../etcd/tokens.js';
import { decoratedMethods } from '../lock/decorated-methods.js';
import type { ElectionService } from './election.service.js';
import { ON_LEADER } from './on-leader.decorator.js';

/** Has the application stand for the elections that its `@OnLeader` methods name, and hand over when it stops. */
@Injectable()
export class LeaderExplorer implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #modules: ModulesContainer;
  readonly #coord: { readonly election: ElectionService };
  #stands = false;

  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(COORD_SERVICE) coord: { readonly election: ElectionService },
  ) {
    this.#modules = modules;
    this.#coord = coord;
  }

  onApplicationBootstrap(): void {
    for (const { metadata } of decoratedMethods<string>(this.#modules, ON_LEADER)) {
      this.#coord.election.candidacy(metadata);
      this.#stands = true;
    }
  }

  async onModuleDestroy(): Promise<void> {
    if (this.#stands) await this.#coord.election.resignAll();
  }
}
