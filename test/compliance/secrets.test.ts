/** The promises of environment/secrets.ts on both sides of the seam (SEAL2 only where there are adversaries: the real one). */
import type { Secrets } from '../../src/environment/secrets.ts';
import { plainSecrets } from '../../src/sim/secrets.ts';
import { keyRing } from '../support/keys.ts';

const realSecrets = (): Secrets => keyRing();

describe.each([
  ['real', realSecrets],
  ['simulated', () => plainSecrets],
] as const)("sealing's promises: %s", (_side, make) => {
  const secrets = make();

  it.each(['a password', '', 'zwei\nZeilen: äöü', 'x'.repeat(5000)])(
    'SEAL1: what was sealed is given back: %j',
    (plain) => {
      expect(secrets.open(secrets.seal(plain, 'bmc node1'), 'bmc node1')).toBe(plain);
    },
  );

  it('SEAL1: another context opens nothing', () => {
    expect(secrets.open(secrets.seal('a password', 'bmc node1'), 'bmc node2')).toBeNull();
    expect(secrets.open(secrets.seal('a password', 'bmc node1'), 'bmc node')).toBeNull();
  });

  it('SEAL3: the keys have names, and there is always one that seals', () => {
    expect(secrets.keyNames().length).toBeGreaterThan(0);
    for (const name of secrets.keyNames()) expect(name).toMatch(/^\S{1,16}$/);
  });

  it('SEAL1: garbage opens as nothing and never throws', () => {
    for (const garbage of ['', 'v1.', 'v1.AAAA', 'x', '\0']) expect(secrets.open(garbage, 'bmc node1')).toBeNull();
  });
});

it('SEAL2: what is sealed does not show, and twice the same text is sealed differently', () => {
  const secrets = realSecrets();
  const sealed = secrets.seal('a password', 'bmc node1');
  expect(sealed).not.toContain('password');
  expect(Buffer.from(sealed.slice(3), 'base64').toString('latin1')).not.toContain('password');
  expect(secrets.seal('a password', 'bmc node1')).not.toBe(sealed);
});
