/** Sealing in a world without adversaries: the text, bound to its context. SEAL1 only. */
import type { Secrets } from '../environment/secrets.ts';

export const plainSecrets: Secrets = {
  seal: (plain, context) => `${context}\n${plain}`,
  open: (sealed, context) => (sealed.startsWith(`${context}\n`) ? sealed.slice(context.length + 1) : null),
};
