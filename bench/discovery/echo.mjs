import { fileURLToPath } from 'node:url';

/** The service that all benches call. */
export const ECHO_PROTO = fileURLToPath(new URL('../../test/support/grpc/echo.proto', import.meta.url));
