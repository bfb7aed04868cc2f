import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { ValidationError } from '../../errors/validation.error.js';
import { ConfigChangeExplorer } from './config-change.explorer.js';
import type { ConfigDefinition } from './config.definition.js';
import { configProviders } from './config.providers.js';

/** Looks for `@OnConfigChange` in the whole application: imported once by ImInfraModule. */
@Module({ imports: [DiscoveryModule], providers: [ConfigChangeExplorer] })
export class ConfigChangeModule {}

/** What `ImInfraModule.forFeature` gives: the typed configuration of one feature. */
@Module({})
export class ConfigFeatureModule {
  static forFeature(definitions: readonly ConfigDefinition[]): DynamicModule {
    if (!Array.isArray(definitions) || definitions.some((each: unknown) => !isDefinition(each))) {
      throw new ValidationError('configs', 'an array of what defineConfig() gives', definitions);
    }
    const providers = configProviders(definitions);
    return { module: ConfigFeatureModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}

function isDefinition(value: unknown): value is ConfigDefinition {
  return typeof value === 'object' && value !== null && typeof (value as ConfigDefinition).token === 'symbol';
}
