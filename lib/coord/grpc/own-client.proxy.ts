import { ClientGrpcProxy, type GrpcOptions } from '@nestjs/microservices';

/** A client that tells its maker when it is closed, whoever closes it. */
export class OwnClientProxy extends ClientGrpcProxy {
  readonly #closed: () => void;

  constructor(options: GrpcOptions['options'], closed: () => void) {
    super(options);
    this.#closed = closed;
  }

  override close(): void {
    super.close();
    this.#closed();
  }
}
