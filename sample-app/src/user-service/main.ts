import 'reflect-metadata';
import { userProto } from '../shared/protos.js';
import { startGrpcService } from '../shared/start-grpc-service.js';
import { UserModule } from './user.module.js';

await startGrpcService('user-service', UserModule, userProto);
