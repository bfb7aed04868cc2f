import { Module } from '@nestjs/common';
import { InfraModule } from '../shared/infra.module.js';
import { UserController } from './user.controller.js';

@Module({
  imports: [InfraModule.for('user-service', 'server')],
  controllers: [UserController],
})
export class UserModule {}
