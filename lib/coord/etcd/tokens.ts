/** Injection tokens are registered symbols, so that the ESM and the CommonJS build of one process mean the same provider. */
export const COORD_SERVICE = Symbol.for('im-infra:coord');
