import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ValidationError } from '../../errors/validation.error.js';

/**
 * Certificates in PEM, given as such or by path. They are read here, once: a TLS socket leaves out what it cannot read of an
 * authority, or fails at the first connection in words that do not say which option is meant.
 */
export function readCertificates(argument: string, value: string | Buffer): Buffer {
  return read(argument, value, 'certificates', (pem) => {
    const blocks = pem.toString().match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----.*?-----END[^-]*-----/gs) ?? [];
    return (blocks.length > 0 ? blocks : [pem]).map((block) => new X509Certificate(block));
  });
}

/** The key of `cert`, without a passphrase, in PEM, given as such or by path. */
export function readKeyOf(cert: Buffer, argument: string, value: string | Buffer): Buffer {
  return read(argument, value, 'a private key without a passphrase', (pem) => {
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(pem))) {
      throw new Error('it is not the key of the certificate');
    }
  });
}

/** Never shows the value: it may be a private key. */
function read(
  argument: string,
  value: string | Buffer,
  what: string,
  check: (pem: Buffer) => unknown,
): Buffer {
  try {
    const pem = value.includes('-----BEGIN') ? Buffer.from(value) : readFileSync(value);
    check(pem);
    return pem;
  } catch (error) {
    // The message of a failed read shows the path, and that is what was given.
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ValidationError(
      argument,
      `${what} in PEM, or the path of a file with such (${code ?? message})`,
    );
  }
}
