/** gRPC's names of its status codes, in the order of the codes. */
const NAMES =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

export const OK = 0;
export const CANCELLED = 1;
export const UNKNOWN = 2;
export const PERMISSION_DENIED = 7;
export const RESOURCE_EXHAUSTED = 8;
export const UNIMPLEMENTED = 12;
export const INTERNAL = 13;
export const UNAVAILABLE = 14;
export const UNAUTHENTICATED = 16;

/** A code that gRPC does not know is to be taken for UNKNOWN (its doc/statuscodes.md). */
export function statusError(code: number, details: string): Error {
  const known = NAMES[code] === undefined ? UNKNOWN : code;
  return new Error(`${known} ${NAMES[known]}: ${details}`);
}
