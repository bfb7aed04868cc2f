import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { type Answer, EchoClient, type Words } from './echo-server.js';

const bytes = (buffer: Buffer): Buffer => buffer;
const method = (name: string, responseStream: boolean) => ({
  path: `/grpc.health.v1.Health/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});

/** A server with a `grpc.health.v1` of its own making, slow or short of breath. It answers `Say` as `x`. */
export class HealthServer {
  readonly #server = new Server();
  readonly #streams = new Set<ServerWritableStream<Buffer, Buffer>>();
  port = 0;
  /** How often it was watched. */
  watches = 0;
  serving = true;
  /** Added to each answer, in ms. */
  delay = 0;

  static async start(): Promise<HealthServer> {
    const health = new HealthServer();
    const service = { Check: method('Check', false), Watch: method('Watch', true) };
    health.#server.addService(service, health.#handlers);
    health.#server.addService(EchoClient.service, {
      Say: (_: ServerUnaryCall<Words, Answer>, done: sendUnaryData<Answer>) =>
        void setTimeout(() => done(null, { text: '', server: 'x' }), health.delay),
    });
    health.port = await new Promise<number>((resolve, reject) =>
      health.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return health;
  }

  /** Ends what watches, with the status OK. */
  endStream(): void {
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  get #handlers(): UntypedServiceImplementation {
    const status = (): Buffer => Buffer.from([8, this.serving ? 1 : 2]);
    return {
      Check: (_: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
        void setTimeout(() => done(null, status()), this.delay),
      Watch: (call: ServerWritableStream<Buffer, Buffer>) => {
        this.watches++;
        this.#streams.add(call);
        call.write(status());
      },
    };
  }
}
