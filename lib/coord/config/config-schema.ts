import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ConfigIssue } from '../../errors/config-invalid.error.js';
import { ValidationError } from '../../errors/validation.error.js';
import { withoutValues } from './issue-message.js';
import { isSchema, isThenable } from './secret.js';

/** Any schema that keeps to the Standard Schema agreement (zod, valibot, arktype, …) and gives a `T`. */
export type ConfigSchema<T> = StandardSchemaV1<unknown, T>;

/** Either the value or why it was refused. */
export type Validated<T> =
  { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly ConfigIssue[] };

/** An asynchronous schema that never answers must not keep the next change from being judged. */
const SCHEMA_TIMEOUT = 5_000;

/** A promise only where the schema is asynchronous: most are not, and then a change is applied at once. Never rejects. */
export function validate<T>(
  schema: ConfigSchema<T> | undefined,
  input: unknown,
): Validated<T> | Promise<Validated<T>> {
  if (!schema) return { value: input as T };
  try {
    const result = schema['~standard'].validate(input);
    if (!isThenable(result)) return toValidated(result, input);
    const judged = Promise.resolve(result).then((settled) => toValidated(settled, input));
    return within(
      SCHEMA_TIMEOUT,
      judged.catch((error: unknown) => threw(error, input)),
    );
  } catch (error) {
    return threw(error, input);
  }
}

export function checkSchema(argument: string, schema: unknown): void {
  if (schema === undefined || isSchema(schema)) return;
  throw new ValidationError(
    argument,
    'a Standard Schema, such as one of zod, valibot or arktype; classes go through fromClass(Dto)',
    schema,
  );
}

function toValidated<T>(result: StandardSchemaV1.Result<T>, input: unknown): Validated<T> {
  if (!result.issues) return { value: result.value };
  return {
    issues: result.issues.map((issue) => ({
      path: issuePath(issue.path),
      message: withoutValues(issue.message, input),
    })),
  };
}

async function within<T>(limit: number, judged: Promise<Validated<T>>): Promise<Validated<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Validated<T>>((resolve) => {
    const issues = [{ path: '', message: `the schema did not answer within ${limit} ms` }];
    timer = setTimeout(() => resolve({ issues }), limit).unref();
  });
  try {
    return await Promise.race([judged, late]);
  } finally {
    clearTimeout(timer);
  }
}

function threw(error: unknown, input: unknown): { issues: readonly ConfigIssue[] } {
  const message = error instanceof Error ? error.message : String(error);
  return { issues: [{ path: '', message: `the schema threw: ${withoutValues(message, input)}` }] };
}

function issuePath(path: StandardSchemaV1.Issue['path']): string {
  return (path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.');
}
