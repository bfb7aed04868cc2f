/**
 * One call's handle on the wire, for whoever decides that it has waited long enough: grpc-js keeps deadlines on the wall
 * clock. It travels in the options of the call, under {@link CALL}.
 */
export class CallControl {
  #cancelled: string | undefined;
  #cancel: ((reason: string) => void) | undefined;

  /** Why the call is cancelled, if it is. */
  get cancelled(): string | undefined {
    return this.#cancelled;
  }

  /** Ends the call with status CANCELLED and this reason; a unary one that has not started is not sent. */
  cancel(reason: string): void {
    this.#cancelled ??= reason;
    this.#cancel?.(reason);
  }

  started(cancel: (reason: string) => void): void {
    this.#cancel = cancel;
    if (this.#cancelled !== undefined) cancel(this.#cancelled);
  }
}

export const CALL = 'im-infra.call';

/** The options of one call, to be handed on untouched. */
export type WireOptions = Record<string, unknown>;
