import { check } from './check.js';

/** The trace that the HTTP request of the smoke test comes with. */
export const TRACE = '0af7651916cd43dd8448eb211c80319c';

type Line = Readonly<Record<string, unknown>>;

/** What the two applications wrote into their log, by nestjs-pino's loggers and by clog. */
export function checkLines(text: string): void {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  const count = (wanted: Line) =>
    lines.filter((line) => Object.entries(wanted).every(([name, value]) => line[name] === value)).length;

  check(
    'a log line is JSON with service, namespace and fields',
    count({ service: 'greeter', namespace: 'greeter', msg: 'greeting', name: 'Ada' }) === 1,
  );
  check(
    'every line of an HTTP request has its trace, those of PinoLogger too',
    count({ service: 'client', namespace: 'gateway', msg: 'asked', trace_id: TRACE }) === 1 &&
      count({ service: 'client', context: 'Gateway', msg: 'asked, says nestjs-pino', trace_id: TRACE }) === 1,
  );
  check(
    'the gRPC call that it makes goes on in that trace, in another application',
    count({ service: 'greeter', msg: 'greeting', name: 'Grace', trace_id: TRACE }) === 1 &&
      count({ service: 'greeter', msg: 'a line of nestjs-pino', trace_id: TRACE }) === 1,
  );
  check(
    'an HTTP request has one line in the access log',
    count({ msg: 'request completed' }) === 1 && count({ msg: 'request completed', trace_id: TRACE }) === 1,
  );
  check("Nest's own lines come out there too", count({ msg: 'Nest application successfully started' }) === 1);
}
