import { Module } from '@nestjs/common';
import { InfraModule } from '../shared/infra.module.js';
import { OrderController } from './order.controller.js';
import { OrderService } from './order.service.js';
import { Warehouse } from './warehouse.js';

@Module({
  imports: [InfraModule.for('order-service', 'server')],
  controllers: [OrderController],
  providers: [
    OrderService,
    { provide: Warehouse, useFactory: () => new Warehouse(process.env['WAREHOUSE'] ?? 'warehouse.json') },
  ],
})
export class OrderModule {}
