const isWritable = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')?.writable === true;

/**
 * Errors that are made until the result is called carry no stack; at the end of the tick they do in any case. grpc-js makes
 * an error for each call, in case it fails, and its stack is a tenth of what a call costs; ours tell more of where they
 * come from.
 */
export function withoutStacks(): () => void {
  if (!isWritable || Error.stackTraceLimit === 0) return () => undefined;
  const limit = Error.stackTraceLimit;
  let restored = false;
  const restore = (): void => {
    if (!restored) Error.stackTraceLimit = limit;
    restored = true;
  };
  Error.stackTraceLimit = 0;
  queueMicrotask(restore);
  return restore;
}
