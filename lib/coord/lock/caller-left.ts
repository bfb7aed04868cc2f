/**
 * Who waited does so no more. It never leaves this room: callers get the reason of their own signal, or are told that
 * their time is over.
 */
export abstract class CallerLeft extends Error {}

/** The caller's time is over. */
export class TimeIsUp extends CallerLeft {}

/**
 * The caller's signal aborted. Its reason travels wrapped, for it can be anything, an error of this library too: the loss
 * of another lock, of a session, of the connection. Bare, it would be taken for an answer to our own calls.
 */
export class CallerAborted extends CallerLeft {
  constructor(readonly reason: unknown) {
    super('the signal of the caller aborted');
  }
}
