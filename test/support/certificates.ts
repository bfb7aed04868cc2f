import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A throw-away certificate authority, made by the `openssl` program. Paths of PEM files. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'im-infra-tls-'));
  readonly ca: string;
  #made = 0;

  constructor() {
    this.ca = this.#path('ca.crt');
    this.#openssl(
      `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-authority -keyout ${this.#path('ca.key')} -out ${this.ca}`,
    );
  }

  /** @param hosts subject alternative names, for example `IP:127.0.0.1`; @param days below 0: expired */
  issue(hosts: string, days = 2): Certificate {
    const name = `c${++this.#made}`;
    const [cert, key] = [this.#path(`${name}.crt`), this.#path(`${name}.key`)];
    const [request, extensions] = [this.#path(`${name}.csr`), this.#path(`${name}.ext`)];
    writeFileSync(extensions, `subjectAltName=${hosts}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    this.#openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${key} -out ${request}`);
    // `openssl x509 -days` takes no past date; the authority command does.
    const validity = days < 0 ? '-startdate 20200101000000Z -enddate 20200102000000Z' : `-days ${days}`;
    writeFileSync(this.#path('index.txt'), '');
    writeFileSync(this.#path('index.txt.attr'), 'unique_subject = no\n');
    writeFileSync(
      this.#path('ca.cnf'),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${this.#path('index.txt')}\nnew_certs_dir=${this.#folder}\nserial=${this.#path('serial')}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n`,
    );
    writeFileSync(this.#path('serial'), `${String(this.#made + 10)}\n`);
    this.#openssl(
      `ca -batch -notext -config ${this.#path('ca.cnf')} -cert ${this.ca} -keyfile ${this.#path('ca.key')} -extfile ${extensions} ${validity} -in ${request} -out ${cert}`,
    );
    return { cert, key };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #openssl(command: string): void {
    execFileSync('openssl', command.split(' '), { stdio: 'pipe' });
  }
}
