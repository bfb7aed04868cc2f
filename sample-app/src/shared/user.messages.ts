import { type Observable } from 'rxjs';

export interface GetUserRequest {
  readonly id: string;
}

export interface User {
  readonly id: string;
  readonly name: string;
  readonly greeting: string;
  readonly servedBy: string;
}

export interface UserService {
  getUser(request: GetUserRequest): Observable<User>;
}
