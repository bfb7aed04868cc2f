import 'reflect-metadata';
import type { Metadata } from '@grpc/grpc-js';
import {
  type ArgumentMetadata,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import {
  type ClientGrpc,
  ClientsModule,
  GrpcMethod,
  GrpcStreamCall,
  GrpcStreamMethod,
  RpcException,
  Transport,
} from '@nestjs/microservices';
import {
  NEVER,
  type Observable,
  Subject,
  concatMap,
  finalize,
  firstValueFrom,
  last,
  map,
  mergeMap,
  of,
  startWith,
  tap,
  throwError,
} from 'rxjs';
import { fileURLToPath } from 'node:url';
import { ClogModule } from '../../../lib/clog/clog.module.js';
import { ClogService } from '../../../lib/clog/clog.service.js';
import { currentTraceId } from '../../../lib/trace/trace-store.js';
import { withGrpcTrace } from '../../../lib/trace/grpc.options.js';

export interface Text {
  text: string;
}

export interface Downstream {
  which(message: Text, metadata?: Metadata): Observable<Text>;
}

/** Where the application listens, for the client of its own downstream service. */
export const address = { url: '' };

export const grpcOptions = (url: string) => ({
  transport: Transport.GRPC as const,
  options: {
    package: 'calls',
    protoPath: fileURLToPath(new URL('./calls.proto', import.meta.url)),
    url,
  },
});

/** Writes a line that says where it comes from and which call it belongs to. */
@Injectable()
class Place {
  constructor(@Inject(ClogService) private readonly clog: ClogService) {}

  line(place: string, call?: string): void {
    this.clog.info(place, { call });
  }
}

@Injectable()
class Guard implements CanActivate {
  constructor(@Inject(Place) private readonly place: Place) {}

  canActivate(): boolean {
    this.place.line('guard');
    return true;
  }
}

@Injectable()
class Pipe implements PipeTransform {
  constructor(@Inject(Place) private readonly place: Place) {}

  transform(value: unknown, metadata: ArgumentMetadata): unknown {
    if (metadata.type === 'body') this.place.line('pipe');
    return value;
  }
}

@Injectable()
class Interceptor implements NestInterceptor {
  constructor(@Inject(Place) private readonly place: Place) {}

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    this.place.line('interceptor before');
    return next.handle().pipe(tap({ complete: () => this.place.line('interceptor after') }));
  }
}

@Catch()
@Injectable()
class Filter implements ExceptionFilter {
  constructor(@Inject(Place) private readonly place: Place) {}

  catch(error: unknown): Observable<never> {
    this.place.line('filter');
    return throwError(() => (error instanceof RpcException ? error.getError() : error));
  }
}

/** A message that says so makes its call fail, with the trace in the error. */
function failIfAsked(text: string): void {
  if (text === 'fail') throw new RpcException({ code: 9, message: currentTraceId() ?? 'none' });
}

interface DuplexCall {
  on(event: 'data', listener: (message: Text) => void): void;
  on(event: 'end' | 'cancelled' | 'drain' | 'finish' | 'close', listener: () => void): void;
  write(message: Text, written?: () => void): boolean;
  end(): void;
}

@UseGuards(Guard)
@UsePipes(Pipe)
@UseInterceptors(Interceptor)
@UseFilters(Filter)
@Controller()
class CallsController {
  readonly #downstream: Downstream;

  constructor(
    @Inject(Place) private readonly place: Place,
    @Inject('DOWNSTREAM') client: ClientGrpc,
  ) {
    this.#downstream = client.getService<Downstream>('Downstream');
  }

  @GrpcMethod('Calls', 'Unary')
  async unary({ text }: Text): Promise<Text> {
    this.place.line('handler', text);
    const { text: id } = await firstValueFrom(this.#downstream.which({ text }));
    this.place.line('after outbound', text);
    return { text: id };
  }

  @GrpcMethod('Calls', 'Failing')
  failing({ text }: Text): Observable<Text> {
    this.place.line('handler', text);
    return throwError(() => new RpcException({ code: 9, message: currentTraceId() ?? 'none' }));
  }

  @GrpcMethod('Calls', 'ServerStream')
  serverStream({ text }: Text): Observable<Text> {
    this.place.line('handler', text);
    return of(1, 2, 3).pipe(
      mergeMap(() => this.#downstream.which({ text })),
      tap(() => this.place.line('message', text)),
      tap(() => failIfAsked(text)),
    );
  }

  @GrpcStreamMethod('Calls', 'ClientStream')
  clientStream(messages: Observable<Text>): Observable<Text> {
    this.place.line('handler');
    const answer = new Subject<Text>();
    const asked = messages.pipe(
      tap(({ text }) => {
        this.place.line('message', text);
        failIfAsked(text);
      }),
      finalize(() => this.place.line('half-close')),
      concatMap((message) => this.#downstream.which(message)),
      last(),
    );
    asked.subscribe(answer);
    return answer;
  }

  @GrpcStreamMethod('Calls', 'Bidi')
  bidi(messages: Observable<Text>): Observable<Text> {
    this.place.line('handler');
    return messages.pipe(
      tap(({ text }) => {
        this.place.line('message', text);
        failIfAsked(text);
      }),
      mergeMap((message) => this.#downstream.which(message)),
      map((answer) => {
        this.place.line('outbound answer');
        return answer;
      }),
    );
  }

  @GrpcStreamCall('Calls', 'Raw')
  raw(call: DuplexCall): void {
    this.place.line('handler');
    call.on('data', ({ text }) => {
      this.place.line('message', text);
      call.write({ text: currentTraceId() ?? 'none' }, () => this.place.line('written'));
    });
    call.on('end', () => {
      this.place.line('half-close');
      call.end();
    });
    for (const event of ['cancelled', 'drain', 'finish', 'close'] as const) {
      call.on(event, () => this.place.line(event));
    }
  }

  @GrpcMethod('Calls', 'Endless')
  endless(): Observable<Text> {
    return NEVER.pipe(
      startWith({ text: currentTraceId() ?? 'none' }),
      finalize(() => this.place.line('unsubscribed')),
    );
  }
}

@Controller()
class DownstreamController {
  constructor(@Inject(Place) private readonly place: Place) {}

  @GrpcMethod('Downstream', 'Which')
  which({ text }: Text): Text {
    this.place.line('downstream', text);
    return { text: currentTraceId() ?? 'none' };
  }
}

@Module({
  imports: [
    ClogModule.forOptions({
      useFactory: () => ({ service: { name: 'calls' }, output: '/dev/null', format: 'json' }),
    }),
    ClientsModule.registerAsync([
      { name: 'DOWNSTREAM', useFactory: () => withGrpcTrace(grpcOptions(address.url)) },
    ]),
  ],
  controllers: [CallsController, DownstreamController],
  providers: [Place, Guard, Pipe, Interceptor, Filter],
})
export class CallsModule {}
