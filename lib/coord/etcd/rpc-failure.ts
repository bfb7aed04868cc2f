import { EtcdRefusedError } from '../../errors/etcd-refused.error.js';
import { RESOURCE_EXHAUSTED, UNAVAILABLE } from './grpc-status.js';

/**
 * What a failed call to etcd means for its caller.
 * - `refused`: etcd answered, and the answer is no; it did nothing, and asking again gives the same answer.
 * - `not-run`: it provably did not run; it may be sent again, whatever it was.
 * - `unknown`: it may have run.
 */
export type Fate = 'refused' | 'not-run' | 'unknown';

/** Answers of etcd that say "not now, not here": nothing ran, another attempt may go through. */
const NOT_RUN: readonly RegExp[] = [
  /etcdserver: no leader/,
  /etcdserver: too many requests/,
  /etcdserver: not capable/,
  /invalid auth token/,
  /revision of auth store is old/,
  /No connection established/,
  /Name resolution failed/,
  /Failed to parse DNS address/,
  // The server refused the stream before it looked at it (HTTP/2 REFUSED_STREAM).
  /Stream refused by server/,
  /RST_STREAM with code 7/,
  /Channel has been shut down/,
  /Channel closed before call started/,
  /client was already closed/,
];

/** Answers of etcd that are UNAVAILABLE or UNKNOWN by their code, but may come from a write that runs later. */
const UNKNOWN_CODES: ReadonlySet<number> = new Set([1, 2, 4, 13, UNAVAILABLE, 15]);

/** RESOURCE_EXHAUSTED as an answer. Anything else of this code comes from what is in between (HTTP/2 ENHANCE_YOUR_CALM). */
const REFUSED_AS_TOO_MUCH =
  /^etcdserver: |^grpc: received message larger than max|^Attempted to send message with a size larger than/;

/** After these the connection is not to be trusted: its generation is dropped. */
const LEAVE = /invalid auth token|revision of auth store is old|no leader|server stopped/;

const STALE_TOKEN = /invalid auth token|revision of auth store is old/;

/** The reason of a call that was given up since its answer did not come. */
export function noAnswerWithin(ms: number): string {
  return `no answer within ${Math.round(ms)} ms`;
}

/** A failed call to etcd, read from the message that gRPC gives its errors: `14 UNAVAILABLE: reason`. */
export class RpcFailure {
  readonly code: number;
  /** What the server or the transport said, without gRPC's prefix. */
  readonly reason: string;
  readonly fate: Fate;
  /** Whether the connection that it came from is to be dropped. */
  readonly doubt: boolean;

  /** Whether it was given up by {@link noAnswerWithin}. */
  readonly late: boolean;

  /** @param doubt where the caller knows better than the error tells */
  constructor(
    readonly cause: unknown,
    doubt?: boolean,
  ) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const match = /^(\d{1,2}) [A-Z_]+: (.*)$/s.exec(message);
    this.code = match ? Number(match[1]) : UNAVAILABLE;
    this.reason = match ? match[2]! : message;
    const passing = this.code === RESOURCE_EXHAUSTED && !REFUSED_AS_TOO_MUCH.test(this.reason);
    if (NOT_RUN.some((pattern) => pattern.test(this.reason))) this.fate = 'not-run';
    else this.fate = UNKNOWN_CODES.has(this.code) || passing ? 'unknown' : 'refused';
    // etcd's own "request timed out" and "leader changed" come over a healthy connection.
    this.doubt =
      doubt ??
      (LEAVE.test(this.reason) || (this.fate !== 'refused' && !this.reason.startsWith('etcdserver:')));
    this.late = this.reason.startsWith('no answer within ');
  }

  /** Whether etcd only refuses the token of the connection: other calls on it are answered all the same. */
  get ofToken(): boolean {
    return STALE_TOKEN.test(this.reason);
  }

  /** The public error of a refusal. */
  toRefusal(): EtcdRefusedError {
    return new EtcdRefusedError(this.reason, this.code, { cause: this.cause });
  }
}
