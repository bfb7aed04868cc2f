/** The application's ClogService, for those who must not import its class. */
export const CLOG_SERVICE: unique symbol = Symbol.for('im-infra:clog') as never;

/** The method by which `observeClog` sees the lines. */
export const CLOG_TAP: unique symbol = Symbol.for('im-infra:clog-tap') as never;
