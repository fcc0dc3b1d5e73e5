/** A certificate authority for a day's tests, by openssl: for ZooKeeper over TLS, in the lab and in tests. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export class Certificates {
  /** Of the authority, in PEM. */
  readonly caFile: string;
  private readonly dir: string;

  /** A new authority in an existing folder. */
  constructor(dir: string) {
    this.dir = dir;
    this.caFile = join(dir, 'ca.pem');
    this.openssl('req', '-x509', ...curve, '-days', '30', '-subj', '/CN=nodekeeper-lab', ...this.out('ca'));
  }

  /** A certificate with its key, each in a file of its own and both in one (as ZooKeeper's PEM key store wants them). */
  issue(
    name: string,
    alternatives: readonly string[],
  ): { readonly certificateFile: string; readonly keyFile: string; readonly bothFile: string } {
    const file = (kind: string) => join(this.dir, `${name}.${kind}`);
    const [request, extensions, certificateFile] = [file('csr'), file('ext'), file('pem')];
    const [keyFile, bothFile] = [file('key'), file('both')];
    this.openssl('req', ...curve, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', request);
    writeFileSync(extensions, `subjectAltName=${alternatives.join(',')}\n`);
    const authority = ['-CA', this.caFile, '-CAkey', join(this.dir, 'ca.key'), '-CAcreateserial'];
    this.openssl(
      'x509',
      '-req',
      '-in',
      request,
      ...authority,
      '-days',
      '30',
      '-extfile',
      extensions,
      '-out',
      certificateFile,
    );
    writeFileSync(bothFile, readFileSync(certificateFile, 'utf8') + readFileSync(keyFile, 'utf8'));
    for (const file of [keyFile, bothFile]) chmodSync(file, 0o600);
    return { certificateFile, keyFile, bothFile };
  }

  private out(name: string): string[] {
    return ['-keyout', join(this.dir, `${name}.key`), '-out', join(this.dir, `${name}.pem`)];
  }

  private openssl(...words: readonly string[]): void {
    const { status, stderr } = spawnSync('openssl', words, { encoding: 'utf8', timeout: 20_000 });
    if (status !== 0) throw new Error(`openssl ${words[0]}: ${stderr}`);
  }
}
