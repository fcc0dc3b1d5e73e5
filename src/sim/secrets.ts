/** Sealing in a world without adversaries: the text written backwards, bound to its context. SEAL1 only. */
import type { Secrets } from '../environment/secrets.ts';

export const plainSecrets: Secrets = {
  seal: (plain, context) => `${context}\n${backwards(plain)}`,
  open: (sealed, context) => (sealed.startsWith(`${context}\n`) ? backwards(sealed.slice(context.length + 1)) : null),
  keyNames: () => ['simulated'],
};

/** Of every device in the simulator: it may stand nowhere. */
export const simPassword = 'simulated-password';

function backwards(text: string): string {
  return Array.from(text).reverse().join('');
}
