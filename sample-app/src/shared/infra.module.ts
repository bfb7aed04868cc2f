import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ImInfraModule } from 'im-infra';
import { infraOptions, readSettings, type Settings } from './settings.js';

export const SETTINGS = Symbol('settings');

@Global()
@Module({})
class SettingsModule {}

/** What every process of the fleet has in common: its settings and im-infra, both global. */
@Module({})
export class InfraModule {
  static for(service: string, role: 'client' | 'server'): DynamicModule {
    const settings: DynamicModule = {
      module: SettingsModule,
      providers: [{ provide: SETTINGS, useFactory: () => readSettings(service) }],
      exports: [SETTINGS],
    };
    return {
      module: InfraModule,
      imports: [
        settings,
        ImInfraModule.forRootAsync({
          imports: [settings],
          inject: [SETTINGS],
          useFactory: (own: Settings) => infraOptions(service, own, role),
        }),
      ],
    };
  }
}
