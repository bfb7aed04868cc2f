import { Module, type Provider } from '@nestjs/common';
import { CLOG_SERVICE } from './clog/clog.tokens.js';
import { ClogService } from './clog/clog.service.js';
import { absentCoord, CoordService } from './coord/coord.service.js';
import { COORD_SERVICE } from './coord/etcd/tokens.js';
import { resolveRegister } from './coord/registry/register.options.js';
import { ImInfraLifecycle } from './im-infra.lifecycle.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './im-infra.module-definition.js';
import type { ImInfraOptions } from './im-infra.options.js';
import { resolveService } from './options/service.js';

const clogProvider: Provider = {
  provide: ClogService,
  inject: [MODULE_OPTIONS_TOKEN],
  useFactory: ({ service, clog }: ImInfraOptions) => ClogService.create({ service, ...clog }),
};

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
  providers: [
    clogProvider,
    coordProvider,
    { provide: CLOG_SERVICE, useExisting: ClogService },
    { provide: COORD_SERVICE, useExisting: CoordService },
    ImInfraLifecycle,
  ],
  exports: [ClogService, CoordService, CLOG_SERVICE, COORD_SERVICE],
})
export class ImInfraModule extends ConfigurableModuleClass {}
