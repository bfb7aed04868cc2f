import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  type MiddlewareConsumer,
  Module,
  type ModuleMetadata,
  type Provider,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { LoggerModule, PinoLogger } from 'nestjs-pino';
import { traceMiddleware } from '../trace/http.middleware.js';
import { hasPreRequestHooks } from '../trace/rpc.hook.js';
import { RpcTraceInterceptor } from '../trace/rpc.interceptor.js';
import { RpcTraceRegistrar } from '../trace/rpc.registrar.js';
import { accessLog } from './access-log.js';
import { ClogPinoLogger } from './clog-pino-logger.js';
import { getClogToken, injectedNamespaces } from './clog.decorator.js';
import type { ClogServiceOptions } from './clog.options.js';
import { ClogService } from './clog.service.js';
import { CLOG_SERVICE } from './clog.tokens.js';

/** How an application says what its logger is. */
export interface ClogModuleOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...args: never[]) => ClogServiceOptions | Promise<ClogServiceOptions>;
}

/**
 * Logging for a Nest application: ClogService, `@InjectClog()`, the trace of HTTP requests and messages, the HTTP
 * access log, and nestjs-pino's `PinoLogger`, `Logger` and `@InjectPinoLogger()` on the same root. Global. Part of
 * ImInfraModule; alone it serves applications without etcd.
 *
 * @example imports: [ClogModule.forOptions({ useFactory: () => ({ service: { name: 'user-service' } }) })]
 */
@Module({})
export class ClogModule extends LoggerModule {
  @Inject(CLOG_SERVICE)
  private readonly clog!: ClogService;

  static forOptions(options: ClogModuleOptions): DynamicModule {
    // Asked when Nest scans the application: by then all files are loaded, and all decorators have run.
    const providers = (): Provider[] => [...nestjsPino(), ...clogProviders(options)];
    return {
      module: ClogModule,
      global: true,
      imports: options.imports ?? [],
      get providers() {
        return providers();
      },
      get exports() {
        return [ClogService, CLOG_SERVICE, ...injectedNamespaces().map(getClogToken), ...pinoExports()];
      },
    };
  }

  /** In front of nestjs-pino's own middleware, on the same routes: the trace first, then the request's logger. */
  override configure(consumer: MiddlewareConsumer): void {
    const log = accessLog(this.clog);
    super.configure({
      apply: (...theirs) => consumer.apply(traceMiddleware, log, ...(theirs as never[])),
    });
  }
}

function clogProviders({ inject = [], useFactory }: ClogModuleOptions): Provider[] {
  const namespaces = injectedNamespaces().map((namespace): Provider => ({
    provide: getClogToken(namespace),
    inject: [ClogService],
    useFactory: (clog: ClogService) => clog.namespace(namespace),
  }));
  return [
    {
      provide: ClogService,
      inject,
      useFactory: async (...args: never[]) => ClogService.create(await useFactory(...args)),
    },
    { provide: CLOG_SERVICE, useExisting: ClogService },
    { provide: PinoLogger, useClass: ClogPinoLogger },
    ...namespaces,
    ...(hasPreRequestHooks()
      ? [RpcTraceRegistrar]
      : [{ provide: APP_INTERCEPTOR, useClass: RpcTraceInterceptor }]),
  ];
}

/**
 * nestjs-pino's providers. `useExisting` makes it take the request's logger from `request.log` instead of building a
 * root of its own, of which it has one a process.
 */
function nestjsPinoModule(): DynamicModule {
  return LoggerModule.forRootAsync({
    inject: [CLOG_SERVICE],
    useFactory: (clog: ClogService) => ({ pinoHttp: { logger: clog.pino }, useExisting: true as const }),
  });
}

function nestjsPino(): Provider[] {
  return nestjsPinoModule().providers ?? [];
}

function pinoExports(): NonNullable<DynamicModule['exports']> {
  return nestjsPinoModule().exports ?? [];
}
