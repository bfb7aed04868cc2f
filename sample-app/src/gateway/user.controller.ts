import { Controller, Get, Inject, type OnModuleInit, Param } from '@nestjs/common';
import { type ClientGrpc } from '@nestjs/microservices';
import { type Observable } from 'rxjs';
import { type User, type UserService } from '../shared/user.messages.js';

@Controller('users')
export class UserController implements OnModuleInit {
  #users!: UserService;

  constructor(@Inject('USERS') private readonly client: ClientGrpc) {}

  onModuleInit(): void {
    this.#users = this.client.getService<UserService>('UserService');
  }

  @Get(':id')
  user(@Param('id') id: string): Observable<User> {
    return this.#users.getUser({ id });
  }
}
