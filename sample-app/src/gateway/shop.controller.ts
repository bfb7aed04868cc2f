import { Controller, Get, Inject } from '@nestjs/common';
import { InjectConfig, type LiveConfig } from 'im-infra';
import { SETTINGS } from '../shared/infra.module.js';
import { type Settings } from '../shared/settings.js';
import { type Shop, shopConfig } from '../shared/shop.config.js';

@Controller('shop')
export class ShopController {
  constructor(
    @InjectConfig(shopConfig) private readonly shop: LiveConfig<Shop>,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  @Get()
  current(): Shop & { servedBy: string } {
    return { ...this.shop.value, servedBy: this.settings.instanceId };
  }
}
