import { ConfigurableModuleBuilder, type DynamicModule, Module } from '@nestjs/common';
import { ClogModule } from './clog/clog.module.js';
import type { ImInfraOptions } from './im-infra.options.js';

const OPTIONS = Symbol.for('im-infra:options');

/** Holds the application's options for the logging and the coordination side alike. */
@Module({})
class ImInfraOptionsModule {}

/** `forRoot`, `forRootAsync` and the options token, as Nest's own packages make them; global unless told otherwise. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ImInfraOptions>({
    moduleName: 'ImInfra',
    optionsInjectionToken: OPTIONS,
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createImInfraOptions')
    .setExtras({ isGlobal: true }, ({ providers = [], imports = [], ...definition }, { isGlobal }) => {
      const options: DynamicModule = { module: ImInfraOptionsModule, imports, providers, exports: [OPTIONS] };
      const clog = ClogModule.forOptions({
        imports: [options],
        inject: [OPTIONS],
        useFactory: ({ service, clog }: ImInfraOptions) => ({ service, ...clog }),
      });
      return { ...definition, global: isGlobal, imports: [options, clog] };
    })
    .build();
