import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { SETTINGS } from '../shared/infra.module.js';
import { type Order, type PlaceOrderRequest, type Stock } from '../shared/order.messages.js';
import { type Settings } from '../shared/settings.js';
import { OrderService, type PlacedOrder } from './order.service.js';

@Controller()
export class OrderController {
  constructor(
    @Inject(OrderService) private readonly orders: OrderService,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  @GrpcMethod('OrderService', 'PlaceOrder')
  async placeOrder(request: PlaceOrderRequest): Promise<Order> {
    return this.#answer(await this.orders.place(request));
  }

  @GrpcMethod('OrderService', 'PlaceOrderCarelessly')
  async placeOrderCarelessly(request: PlaceOrderRequest): Promise<Order> {
    return this.#answer(await this.orders.placeCarelessly(request));
  }

  @GrpcMethod('OrderService', 'GetStock')
  getStock({ item }: { item: string }): Promise<Stock> {
    return this.orders.stock(item);
  }

  #answer(order: PlacedOrder): Order {
    return { ...order, fencingToken: String(order.fencingToken), servedBy: this.settings.instanceId };
  }
}
