import { Module } from '@nestjs/common';
import { ImInfraModule } from 'im-infra';
import { InfraModule } from '../shared/infra.module.js';
import { shopConfig } from '../shared/shop.config.js';
import { OrderController } from './order.controller.js';
import { OrderService } from './order.service.js';
import { Warehouse } from './warehouse.js';

@Module({
  imports: [InfraModule.for('order-service', 'server'), ImInfraModule.forFeature([shopConfig])],
  controllers: [OrderController],
  providers: [
    OrderService,
    { provide: Warehouse, useFactory: () => new Warehouse(process.env['WAREHOUSE'] ?? 'warehouse.json') },
  ],
})
export class OrderModule {}
