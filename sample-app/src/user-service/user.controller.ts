import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { type ClogService, InjectClog, InjectConfig, type LiveConfig } from 'im-infra';
import { SETTINGS } from '../shared/infra.module.js';
import { type Settings } from '../shared/settings.js';
import { type Shop, shopConfig } from '../shared/shop.config.js';
import { type GetUserRequest, type User } from '../shared/user.messages.js';

const names = ['Ada', 'Barbara', 'Grace', 'Radia'];

@Controller()
export class UserController {
  constructor(
    @InjectClog('user') private readonly clog: ClogService,
    @InjectConfig(shopConfig) private readonly shop: LiveConfig<Shop>,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  @GrpcMethod('UserService', 'GetUser')
  getUser({ id }: GetUserRequest): User {
    this.clog.debug('looking a user up', { id });
    const name = names[Number(id) % names.length] ?? 'Somebody';
    return { id, name, greeting: `${this.shop.value.greeting}, ${name}`, servedBy: this.settings.instanceId };
  }
}
