import { Module } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { coordGrpc, ImInfraModule } from 'im-infra';
import { InfraModule } from '../shared/infra.module.js';
import { shopConfig } from '../shared/shop.config.js';
import { orderProto, userProto } from '../shared/protos.js';
import { OrderController } from './order.controller.js';
import { ShopController } from './shop.controller.js';
import { UserController } from './user.controller.js';

@Module({
  imports: [
    InfraModule.for('gateway', 'client'),
    ImInfraModule.forFeature([shopConfig]),
    ClientsModule.register([
      // Reading a user twice is the same as reading it once: a call that met a dying instance is repeated on another.
      {
        name: 'USERS',
        ...coordGrpc('user-service', { ...userProto, retry: { methods: ['UserService/GetUser'] } }),
      },
      // Placing an order twice is not, so it is never repeated, and an instance that is merely slow is not given up.
      {
        name: 'ORDERS',
        ...coordGrpc('order-service', {
          ...orderProto,
          timeout: '30s',
          channelOptions: { 'grpc.keepalive_timeout_ms': 10_000 },
        }),
      },
    ]),
  ],
  controllers: [UserController, OrderController, ShopController],
})
export class GatewayModule {}
