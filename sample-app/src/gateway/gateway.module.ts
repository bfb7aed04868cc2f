import { Module } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { coordGrpc } from 'im-infra';
import { InfraModule } from '../shared/infra.module.js';
import { orderProto, userProto } from '../shared/protos.js';
import { OrderController } from './order.controller.js';
import { ShopController } from './shop.controller.js';
import { UserController } from './user.controller.js';

@Module({
  imports: [
    InfraModule.for('gateway', 'client'),
    ClientsModule.register([
      // Reading a user twice is the same as reading it once: a call that met a dying instance is repeated on another.
      {
        name: 'USERS',
        ...coordGrpc('user-service', { ...userProto, retry: { methods: ['UserService/GetUser'] } }),
      },
      // Placing an order twice is not: whether to repeat is for the caller to decide.
      { name: 'ORDERS', ...coordGrpc('order-service', { ...orderProto, timeout: '30s' }) },
    ]),
  ],
  controllers: [UserController, OrderController, ShopController],
})
export class GatewayModule {}
