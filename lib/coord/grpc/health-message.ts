/** `HealthCheckResponse.ServingStatus`. */
export const SERVING = 1;

/** `message HealthCheckRequest { string service = 1; }` of grpc.health.v1 */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return Buffer.alloc(0);
  const length: number[] = [];
  for (let left = name.length; ; left >>>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
  }
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** `message HealthCheckResponse { ServingStatus status = 1; }`; 0, unknown, is what an empty message says. */
export function decodeResponse(bytes: Buffer): number {
  return bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0;
}
