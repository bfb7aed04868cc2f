import 'reflect-metadata';
import { orderProto } from '../shared/protos.js';
import { startGrpcService } from '../shared/start-grpc-service.js';
import { OrderModule } from './order.module.js';

await startGrpcService('order-service', OrderModule, orderProto);
