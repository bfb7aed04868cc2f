import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { ClogModule } from './clog/clog.module.js';
import { ClogService } from './clog/clog.service.js';
import { ConfigChangeModule, ConfigFeatureModule } from './coord/config/config-feature.module.js';
import type { ConfigDefinition } from './coord/config/config.definition.js';
import { absentCoord, CoordService } from './coord/coord.service.js';
import { COORD_SERVICE } from './coord/etcd/tokens.js';
import { LeaderExplorer } from './coord/election/leader.explorer.js';
import { LockExplorer } from './coord/lock/lock.explorer.js';
import { resolveRegister } from './coord/registry/register.options.js';
import { ImInfraLifecycle } from './im-infra.lifecycle.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './im-infra.module-definition.js';
import type { ImInfraOptions } from './im-infra.options.js';
import { resolveService } from './options/service.js';

const coordProvider: Provider = {
  provide: CoordService,
  inject: [MODULE_OPTIONS_TOKEN, ClogService],
  useFactory: async ({ service, coord, register }: ImInfraOptions, clog: ClogService) => {
    if (register) resolveRegister(register, resolveService(service));
    if (!coord) return absentCoord();
    return CoordService.connect({ service, ...coord }, { clog: clog.namespace('im-infra.coord') });
  },
};

/**
 * Logs and coordination for one application: provides {@link ClogService} and {@link CoordService}, follows the logging
 * configuration in etcd, publishes the process once its port answers, and takes all of it down in order.
 */
@Module({
  imports: [ConfigChangeModule],
  providers: [
    coordProvider,
    { provide: COORD_SERVICE, useExisting: CoordService },
    ImInfraLifecycle,
    LockExplorer,
    LeaderExplorer,
  ],
  exports: [ClogModule, CoordService, COORD_SERVICE],
})
export class ImInfraModule extends ConfigurableModuleClass {
  /** Typed configuration for the importing module: `@InjectConfig(definition)` injects each as a `LiveConfig`. */
  static forFeature(configs: readonly ConfigDefinition[]): DynamicModule {
    return ConfigFeatureModule.forFeature(configs);
  }
}
