import { Inject, type InjectionToken } from '@nestjs/common';
import { CLOG_SERVICE } from './clog.tokens.js';
import { checkNamespace } from './namespace.js';

const KEY = Symbol.for('im-infra:injected-namespaces');
type Global = { [KEY]?: Set<string> };

/** The namespaces that somebody wants injected; decorators run before any module asks. */
function injected(): Set<string> {
  return ((globalThis as Global)[KEY] ??= new Set());
}

/** The token behind {@link InjectClog}, to override it in a test. */
export function getClogToken(namespace?: string): InjectionToken {
  return namespace === undefined ? CLOG_SERVICE : Symbol.for(`im-infra:clog:${namespace}`);
}

/**
 * Injects the logger of a namespace, or the application's own.
 *
 * @example constructor(@InjectClog('user') private readonly clog: ClogService) {}
 */
export function InjectClog(namespace?: string): ReturnType<typeof Inject> {
  if (namespace !== undefined) injected().add(checkNamespace('namespace', namespace));
  return Inject(getClogToken(namespace));
}

/** All namespaces that were asked for up to now. */
export function injectedNamespaces(): readonly string[] {
  return [...injected()];
}
