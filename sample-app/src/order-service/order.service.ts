import { Inject, Injectable } from '@nestjs/common';
import { type ClogService, currentLock, InjectClog, InjectConfig, type LiveConfig, WithLock } from 'im-infra';
import { type PlaceOrderRequest } from '../shared/order.messages.js';
import { type Shop, shopConfig } from '../shared/shop.config.js';
import { Warehouse } from './warehouse.js';

const price = 1_000;

export interface PlacedOrder extends PlaceOrderRequest {
  readonly total: number;
  readonly left: number;
  readonly fencingToken: bigint;
}

@Injectable()
export class OrderService {
  constructor(
    @Inject(Warehouse) private readonly warehouse: Warehouse,
    @InjectConfig(shopConfig) private readonly shop: LiveConfig<Shop>,
    @InjectClog('order') private readonly clog: ClogService,
  ) {}

  @WithLock('stock:{0.item}')
  async place(request: PlaceOrderRequest): Promise<PlacedOrder> {
    return this.placeCarelessly(request);
  }

  async placeCarelessly({ item, quantity }: PlaceOrderRequest): Promise<PlacedOrder> {
    const fencingToken = currentLock()?.fencingToken ?? 0n;
    const left = await this.warehouse.take(item, quantity, fencingToken);
    const total = Math.round(quantity * price * (1 - this.shop.value.discountPercent / 100));
    this.clog.debug('order placed', { item, quantity, total, left });
    return { item, quantity, total, left, fencingToken };
  }

  async stock(item: string): Promise<{ item: string; left: number; lastToken: string }> {
    return { item, ...(await this.warehouse.look(item)) };
  }
}
