import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ConfigSchema } from './config-schema.js';

/** The shape of class-validator's errors that is used here. */
interface ClassIssue {
  readonly property: string;
  readonly constraints?: Readonly<Record<string, string>>;
  readonly children?: readonly ClassIssue[];
}

export interface FromClassOptions {
  /** Takes out properties that have no decorator. @default false */
  readonly whitelist?: boolean;
  /** Refuses values with such properties. @default false */
  readonly forbidNonWhitelisted?: boolean;
}

/**
 * The schema of a class that is decorated for class-validator and class-transformer, which the application installs.
 * The value is an instance of the class.
 * @example defineConfig('db', { schema: fromClass(DbConfig) })
 */
export function fromClass<T extends object>(
  type: new () => T,
  { whitelist = false, forbidNonWhitelisted = false }: FromClassOptions = {},
): ConfigSchema<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'class-validator',
      validate: async (input): Promise<StandardSchemaV1.Result<T>> => {
        if (typeof input !== 'object' || input === null || Array.isArray(input)) {
          return { issues: [{ message: 'expected an object' }] };
        }
        const { plainToInstance } = await import('class-transformer');
        const { validate } = await import('class-validator');
        const value = plainToInstance(type, input);
        const errors = await validate(value, {
          whitelist: whitelist || forbidNonWhitelisted,
          forbidNonWhitelisted,
          validationError: { target: false, value: false },
        });
        return errors.length === 0 ? { value } : { issues: errors.flatMap((error) => toIssues(error, [])) };
      },
    },
  };
}

function toIssues(error: ClassIssue, above: readonly string[]): StandardSchemaV1.Issue[] {
  const path = [...above, error.property];
  const own = Object.values(error.constraints ?? {}).map((message) => ({ path, message }));
  return [...own, ...(error.children ?? []).flatMap((child) => toIssues(child, path))];
}
