const BRAND = Symbol.for('im-infra:error');

/**
 * The base of every error this library throws. `code` is stable across releases; `cause` carries what lies below.
 *
 * `instanceof` works across the ESM and the CommonJS build in one process: errors are told apart by a branded code,
 * not by the identity of their class.
 */
export abstract class ImInfraError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    Object.defineProperty(this, BRAND, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== 'object' || value === null || !(BRAND in value)) return false;
    if (this === ImInfraError) return true;
    const code = Object.hasOwn(this, 'code') ? (this as unknown as { code: string }).code : undefined;
    if (code === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
    return (value as { code?: unknown }).code === code;
  }
}
