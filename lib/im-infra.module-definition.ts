import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { ImInfraOptions } from './im-infra.options.js';

/** `forRoot`, `forRootAsync` and the options token, as Nest's own packages make them; global unless told otherwise. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<ImInfraOptions>({
    moduleName: 'ImInfra',
    optionsInjectionToken: Symbol.for('im-infra:options'),
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createImInfraOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();
