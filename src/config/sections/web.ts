/** What noded shows over the network to programs, load balancers, Prometheus and browsers. */
import * as z from 'zod';
import { flag, path, whole, word } from '../fields.ts';

const loopback = /^(127\.|::1$|localhost$)/;

export const web = z
  .strictObject({
    enabled: flag('Whether noded answers programs, load balancers, Prometheus and browsers over the network.', false),
    address: word(
      'IP address at which it listens (`0.0.0.0`, `::`: all). Beyond this machine only with a certificate.',
      /^[0-9A-Fa-f.:]{2,45}$|^localhost$/,
      'an IP address',
    ).default('127.0.0.1'),
    port: whole('TCP port.', 1, 65_535).default(7481),
    certificateFile: path(
      'Its certificate with the chain (PEM). Read anew on SIGHUP: a renewed one needs no restart.',
    ).optional(),
    keyFile: path("The certificate's private key (PEM), mode 0600.").optional(),
    openMetrics: flag('Whether `/metrics` is given without a token.', false),
    requestsPerSecond: whole('More requests from one address within a second are refused (429).', 1, 100_000).default(
      100,
    ),
  })
  .superRefine(({ enabled, address, certificateFile, keyFile }, context) => {
    const wrong = (key: string, message: string) => {
      context.addIssue({ code: 'custom', path: [key], message });
    };
    if ((certificateFile === undefined) !== (keyFile === undefined))
      wrong(certificateFile === undefined ? 'certificateFile' : 'keyFile', 'certificateFile and keyFile go together');
    if (enabled && certificateFile === undefined && !loopback.test(address))
      wrong('address', `tokens would go over the network readably: ${address} needs certificateFile and keyFile`);
  });
