import type { ClogOptions } from './clog/clog.options.js';
import type { CoordOptions } from './coord/coord.options.js';
import type { RegisterOptions } from './coord/registry/register.options.js';
import type { ServiceOptions } from './options/service.js';

export interface ImInfraOptions {
  /** Who this process is: in logs, in the registry, in configuration keys. */
  readonly service: ServiceOptions;
  /** Structured logs. @default level info, on stdout, JSON or, on a terminal, for people */
  readonly clog?: ClogOptions;
  /** etcd: registry, configuration, locks. @default none of them: only logs */
  readonly coord?: CoordOptions;
  /** Publishes this process in the registry once its port accepts connections. @default not published */
  readonly register?: RegisterOptions;
}

/** For `ImInfraModule.forRootAsync({ useClass })`. */
export interface ImInfraOptionsFactory {
  createImInfraOptions(): ImInfraOptions | Promise<ImInfraOptions>;
}
