import { Module } from '@nestjs/common';
import { ImInfraModule } from 'im-infra';
import { InfraModule } from '../shared/infra.module.js';
import { shopConfig } from '../shared/shop.config.js';
import { UserController } from './user.controller.js';

@Module({
  imports: [InfraModule.for('user-service', 'server'), ImInfraModule.forFeature([shopConfig])],
  controllers: [UserController],
})
export class UserModule {}
