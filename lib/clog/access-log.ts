import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { pinoHttp } from 'pino-http';
import { currentTrace } from '../trace/trace-store.js';
import type { ClogService } from './clog.service.js';
import { serializeError } from './pino-root.js';

type Request = IncomingMessage & { log: Logger; allLogs: Logger[] };
type Middleware = (request: Request, response: ServerResponse, next: () => void) => void;

function traceFields(): object | undefined {
  const trace = currentTrace();
  return trace && { trace_id: trace.traceId, span_id: trace.spanId };
}

/**
 * The HTTP access log: one line for each request, by pino-http on this application's root, with the request's trace.
 * `request.log` is the logger of the request; nestjs-pino's PinoLogger writes through it.
 */
export function accessLog(clog: ClogService): Middleware {
  const options = clog.core.boot.pinoHttp;
  if (options === false) {
    return (request, _response, next) => {
      request.log = clog.currentPino;
      next();
    };
  }
  const { customProps } = options;
  const started = new WeakSet<IncomingMessage>();
  const log = pinoHttp({
    ...options,
    logger: clog.pino,
    serializers: { err: serializeError, ...options.serializers },
    customProps(request, response) {
      const own = typeof customProps === 'function' ? customProps(request, response) : customProps;
      // Asked again when the response has ended; the logger has the trace by then, unless it is the quiet one.
      if (started.has(request) && options.quietResLogger !== true) return own ?? {};
      started.add(request);
      return { ...own, ...traceFields() };
    },
  });
  return (request, response, next) => {
    log(request, response);
    // Whoever set `request.log` before (fastify does), the request's lines come out here.
    request.log = request.allLogs.at(-1) ?? request.log;
    if (options.quietReqLogger === true) request.log = request.log.child({ ...traceFields() });
    next();
  };
}
