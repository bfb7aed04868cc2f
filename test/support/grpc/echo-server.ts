import { fileURLToPath } from 'node:url';
import {
  type Client,
  type GrpcObject,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type sendUnaryData,
  loadPackageDefinition,
  type status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { HealthImplementation } from 'grpc-health-check';

export const ECHO_PROTO = fileURLToPath(new URL('echo.proto', import.meta.url));

export interface Words {
  readonly text?: string;
  /** How long the answer takes, in ms. */
  readonly delay?: number;
  readonly times?: number;
}

export interface Answer {
  readonly text: string;
  readonly server: string;
}

interface GeneratedEcho {
  Say(
    words: Words,
    metadata: Metadata,
    options: object,
    done: (error: Error | null, answer: Answer) => void,
  ): void;
}

const packageObject = loadPackageDefinition(loadSync(ECHO_PROTO)) as GrpcObject & {
  readonly echo: { readonly Echo: ServiceClientConstructor };
};

/** A generated client class, as every grpc-js user has one. */
export const EchoClient = packageObject.echo.Echo;

/** Calls `Say` and resolves with the name of the server that answered. */
export function say(
  client: Client,
  words: Words = {},
  metadata = new Metadata(),
  options = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    (client as unknown as GeneratedEcho).Say(words, metadata, options, (error, answer) =>
      error ? reject(error) : resolve(answer.server),
    );
  });
}

/** A gRPC server in this process that says who it is. */
export class EchoServer {
  readonly name: string;
  /** Its `grpc.health.v1` service, if it has one. */
  readonly health: HealthImplementation | false;
  readonly #server = new Server();
  port = 0;
  /** Calls that arrived, retried ones included. */
  calls = 0;
  /** Answers every call with this status while set. */
  failWith: status | undefined;
  /** Added to each answer, in ms. */
  delay = 0;
  /** The `:authority` of the last call. */
  authority = '';
  /** TCP connections so far: one for each peer that called. */
  readonly peers = new Set<string>();
  /** The `traceparent` of each call that had one. */
  readonly traceparents: string[] = [];

  private constructor(name: string, health: boolean) {
    this.name = name;
    const service = EchoClient.service as Record<string, MethodDefinition<Words, Answer>>;
    this.health = health && new HealthImplementation({ '': 'SERVING' });
    if (this.health) this.health.addToServer(this.#server);
    this.#server.addService(service, {
      Say: (call: ServerUnaryCall<Words, Answer>, done: sendUnaryData<Answer>) => this.#say(call, done),
      Count: (call: ServerWritableStream<Words, Answer>) => this.#count(call),
    });
  }

  /** @param options.port 0 for a free one */
  static async start(
    name: string,
    { port = 0, host = '127.0.0.1', health = false }: { port?: number; host?: string; health?: boolean } = {},
  ): Promise<EchoServer> {
    const echo = new EchoServer(name, health);
    echo.port = await new Promise<number>((resolve, reject) =>
      echo.#server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return echo;
  }

  /** Lets running calls end, then closes. */
  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  /** Cuts every connection. */
  kill(): void {
    this.#server.forceShutdown();
  }

  #say(call: ServerUnaryCall<Words, Answer>, done: sendUnaryData<Answer>): void {
    const { request } = call;
    this.calls++;
    this.peers.add(call.getPeer());
    this.authority = call.getHost();
    this.traceparents.push(...call.metadata.get('traceparent').map(String));
    if (this.failWith !== undefined) {
      done({ code: this.failWith, details: `${this.name} fails` });
      return;
    }
    const answer = (): void => done(null, { text: request.text ?? '', server: this.name });
    const delay = this.delay + (request.delay ?? 0);
    if (delay > 0) setTimeout(answer, delay);
    else answer();
  }

  #count(call: ServerWritableStream<Words, Answer>): void {
    this.calls++;
    const { times = 1, delay = 0 } = call.request;
    let sent = 0;
    const next = (): void => {
      if (call.cancelled) return;
      if (sent === times) return void call.end();
      call.write({ text: String(++sent), server: this.name });
      setTimeout(next, delay);
    };
    next();
  }
}
