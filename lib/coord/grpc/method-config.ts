import { ValidationError } from '../../errors/validation.error.js';
import { type ServiceConfig, parseServiceDuration } from './grpc-experimental.js';
import { readHedging, readRetry } from './retry-policy.js';

type MethodConfig = ServiceConfig['methodConfig'][number];
type MethodName = MethodConfig['name'][number];

/** What grpc-js reads and does not apply, and what to do instead. */
const IGNORED: Readonly<Record<string, string>> = {
  waitForReady: 'new Metadata({ waitForReady: true }) of a call',
  maxRequestBytes: "the channel option 'grpc.max_send_message_length'",
  maxResponseBytes: "the channel option 'grpc.max_receive_message_length'",
};

/** Reads one entry of a service config's `methodConfig`. Throws a `ValidationError` for what grpc-js would misread or ignore. */
export function readMethodConfig(argument: string, given: unknown): MethodConfig {
  const config = checkObject(argument, "{ name: [{ service: 'demo.UserService' }] }", given);
  for (const [field, instead] of Object.entries(IGNORED)) {
    if (config[field] === undefined || config[field] === false) continue;
    throw new ValidationError(argument, `no ${field}, which grpc-js ignores; use ${instead}`, config[field]);
  }
  const { timeout, retryPolicy, hedgingPolicy } = config;
  if (retryPolicy !== undefined && hedgingPolicy !== undefined) {
    throw new ValidationError(argument, 'retryPolicy or hedgingPolicy, not both', given);
  }
  return {
    name: readNames(`${argument}.name`, config['name']),
    ...(timeout !== undefined && { timeout: readTimeout(`${argument}.timeout`, timeout) }),
    ...(retryPolicy !== undefined && {
      retryPolicy: readRetry(
        `${argument}.retryPolicy`,
        checkObject(`${argument}.retryPolicy`, 'a retry policy', retryPolicy),
      ),
    }),
    ...(hedgingPolicy !== undefined && {
      hedgingPolicy: readHedging(
        `${argument}.hedgingPolicy`,
        checkObject(`${argument}.hedgingPolicy`, 'a hedging policy', hedgingPolicy),
      ),
    }),
  };
}

export function checkObject(argument: string, example: string, given: unknown): Record<string, unknown> {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    return given as Record<string, unknown>;
  }
  throw new ValidationError(argument, `an object, ${example}`, given);
}

function readNames(argument: string, names: unknown): MethodName[] {
  if (!Array.isArray(names) || names.length === 0) {
    throw new ValidationError(argument, "a list of names, [{ service: 'demo.UserService' }]", names);
  }
  return names.map((name: unknown, index) => {
    const where = `${argument}[${index}]`;
    const { service = '', method = '' } = checkObject(where, "{ service: 'demo.UserService' }", name);
    if (typeof service !== 'string') throw new ValidationError(`${where}.service`, 'a string', service);
    if (typeof method !== 'string') throw new ValidationError(`${where}.method`, 'a string', method);
    if (service === '' && method !== '') {
      throw new ValidationError(`${where}.service`, 'the service of the method', service);
    }
    return { ...(service !== '' && { service }), ...(method !== '' && { method }) };
  });
}

/** As `{ seconds, nanos }`: grpc-js reads the text `0.5s` as 5 nanoseconds. */
function readTimeout(argument: string, timeout: unknown): NonNullable<MethodConfig['timeout']> {
  const duration = typeof timeout === 'string' ? parseServiceDuration(timeout) : timeout;
  const { seconds, nanos } = (duration ?? {}) as { readonly seconds?: unknown; readonly nanos?: unknown };
  if (typeof seconds === 'number' && typeof nanos === 'number') return { seconds, nanos };
  throw new ValidationError(argument, "a duration such as '0.5s'", timeout);
}
