import { Body, Controller, Get, Inject, type OnModuleInit, Param, Post, Query } from '@nestjs/common';
import { type ClientGrpc } from '@nestjs/microservices';
import { type Observable } from 'rxjs';
import {
  type Order,
  type OrderService,
  type PlaceOrderRequest,
  type Stock,
} from '../shared/order.messages.js';

@Controller()
export class OrderController implements OnModuleInit {
  #orders!: OrderService;

  constructor(@Inject('ORDERS') private readonly client: ClientGrpc) {}

  onModuleInit(): void {
    this.#orders = this.client.getService<OrderService>('OrderService');
  }

  /** `?lock=no` goes without the lock. */
  @Post('orders')
  place(@Body() order: PlaceOrderRequest, @Query('lock') lock?: string): Observable<Order> {
    return lock === 'no' ? this.#orders.placeOrderCarelessly(order) : this.#orders.placeOrder(order);
  }

  @Get('stock/:item')
  stock(@Param('item') item: string): Observable<Stock> {
    return this.#orders.getStock({ item });
  }
}
