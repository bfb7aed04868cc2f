import { Inject } from '@nestjs/common';
import type { ConfigDefinition } from './config.definition.js';

/**
 * Injects the `LiveConfig` of a definition that `ImInfraModule.forFeature` was given.
 * @example constructor(@InjectConfig(dbConfig) private readonly db: LiveConfig<Db>) {}
 */
export function InjectConfig(definition: ConfigDefinition): PropertyDecorator & ParameterDecorator {
  return Inject(definition.token);
}
