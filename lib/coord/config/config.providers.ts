import type { FactoryProvider } from '@nestjs/common';
import { COORD_SERVICE } from '../etcd/tokens.js';
import type { ConfigCenter } from './config.center.js';
import type { ConfigDefinition } from './config.definition.js';
import type { LiveConfig } from './live-config.js';

/** The providers of `ImInfraModule.forFeature`: one `LiveConfig` for each definition. The centre closes them. */
export function configProviders(
  definitions: readonly ConfigDefinition[],
): FactoryProvider<LiveConfig<unknown>>[] {
  return definitions.map((definition) => ({
    provide: definition.token,
    inject: [COORD_SERVICE],
    useFactory: ({ config }: { readonly config: ConfigCenter }) => config.live(definition),
  }));
}
