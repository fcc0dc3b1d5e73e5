/** The configuration of a lab's nodes: small timings, overridable by `--set KEY=VALUE`, through the product's own schema. */
import { randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { loadConfig, printErrors } from '../config/load.ts';
import { newKeyText } from '../real/secrets.ts';
import { Certificates } from './certificates.ts';
import type { Lab } from './lab.ts';
import { LabError, clusterName, virtualAddress } from './lab.ts';

type Tree = Record<string, unknown>;

interface Shape {
  readonly zookeepers: number;
  readonly coordinators: number;
  readonly vms: boolean;
  readonly tls: boolean;
  readonly set: readonly string[];
}

/** Writes every node's configuration, the cluster key and the BMC passwords; refuses what the product would refuse. */
export function writeSettings(lab: Lab, nodes: readonly string[], shape: Shape): void {
  const { zookeepers, coordinators, vms, tls, set } = shape;
  const key = newKeyText();
  const servers = (prefix: (index: number) => string) =>
    Array.from({ length: zookeepers }, (_, index) => `${prefix(index + 1)}:${tls ? 2281 : 2181}`);
  const certify = tls ? certificates(lab) : null;
  for (const node of nodes) {
    const index = Number(node.slice(4));
    secret(lab.path('conf', node, 'cluster.key'), key);
    secret(lab.path('conf', node, 'bmc.password'), `${randomBytes(9).toString('base64url')}\n`);
    const tree: Tree = {
      cluster: { name: clusterName },
      // Hosts share the machine's kernel: it must never be asked to reboot.
      node: {
        name: node,
        role: index <= coordinators ? 'coordinator' : 'worker',
        resetCommand: ['/opt/lab/host/reset.sh'],
        resetBySysrq: false,
      },
      zookeeper: {
        servers: rotated(
          servers((at) => `node${at}`),
          index,
        ),
        tickTime: '200ms',
        ...(certify === null ? {} : { tls: certify(node, lab.path('conf', node), '/etc/nodekeeper', index) }),
      },
      primary: {
        resources: [{ type: 'address', name: 'vip', address: `${virtualAddress}/24`, interface: 'eth0' }],
      },
      api: { address: `10.77.0.${10 + index}` },
      ...(vms
        ? {
            vms: {
              enabled: true,
              address: `10.77.0.${10 + index}`,
              migrationUri: 'qemu+tcp://{address}/system',
              checkInterval: '1s',
              commandTimeout: '5s',
              shutdownTimeout: '5s',
            },
          }
        : {}),
      bmc: {
        address: `10.78.0.${10 + index}`,
        username: 'nodekeeper',
        passwordFile: '/etc/nodekeeper/bmc.password',
        cipherSuites: [17, 3],
        commandTimeout: '3s',
      },
    };
    // NODE in a value stands for the host's name, as in `--set 'fencing.devices=[{..., options: {ip: bmc-NODE}}]'`.
    for (const assignment of set) assign(tree, assignment.replaceAll(/\bNODE\b/g, node));
    const text = stringify(tree);
    const loaded = loadConfig(text);
    if (!loaded.ok)
      throw new LabError(`--set: the configuration would be refused:\n${printErrors('config', loaded.errors)}`);
    const watchdogMs = loaded.config.node.watchdog?.timeout;
    if (watchdogMs !== undefined) writeFileSync(lab.path('conf', node, 'watchdog.seconds'), String(watchdogMs / 1000));
    secret(lab.path('conf', node, 'config.yaml'), text);
  }
  secret(lab.path('conf', 'cluster.key'), key);
  const seen = certify?.('management', lab.path('conf'), lab.path('conf'), 0);
  const seenServers = servers((at) => `10.77.0.${10 + at}`);
  writeControl(lab, seenServers, seen, set);
}

/** For nodectl on the machine itself. */
function writeControl(lab: Lab, servers: readonly string[], tls: Tree | undefined, set: readonly string[]): void {
  const control: Tree = {
    cluster: { name: clusterName, keyFile: lab.path('conf', 'cluster.key') },
    node: { name: 'management' },
    zookeeper: { servers, tickTime: '200ms', ...(tls === undefined ? {} : { tls }) },
  };
  for (const assignment of set)
    if (!/^(bmc|node|fencing\.(levels|devices))\b/.test(assignment)) assign(control, assignment);
  secret(lab.path('conf', 'config.yaml'), stringify(control));
}

/** Makes an authority; the function issues a certificate into a folder, and gives the section that names it there. */
function certificates(lab: Lab) {
  mkdirSync(lab.path('conf', 'authority'));
  const authority = new Certificates(lab.path('conf', 'authority'));
  return (name: string, folder: string, seenAs: string, index: number): Tree => {
    const { certificateFile, keyFile, bothFile } = authority.issue(name, [`DNS:${name}`, `IP:10.77.0.${10 + index}`]);
    const sources = { 'ca.pem': authority.caFile, 'zookeeper.pem': certificateFile, 'zookeeper.key': keyFile };
    for (const [file, source] of Object.entries({ ...sources, 'zookeeper.both': bothFile }))
      copyFileSync(source, join(folder, file));
    const [caFile, certificate, key] = Object.keys(sources).map((file) => join(seenAs, file));
    return { caFile, certificateFile: certificate, keyFile: key };
  };
}

function secret(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
  chmodSync(file, 0o600);
}

/** Each node asks its own neighbour first, so that not all hang on one server. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

function assign(tree: Tree, assignment: string): void {
  const cut = assignment.indexOf('=');
  if (cut <= 0) throw new LabError(`--set takes KEY=VALUE, got "${assignment}"`);
  const path = assignment.slice(0, cut).split('.');
  let at = tree;
  for (const part of path.slice(0, -1)) {
    const next = at[part];
    at[part] = typeof next === 'object' && next !== null ? next : {};
    at = at[part] as Tree;
  }
  at[path.at(-1) ?? ''] = parse(assignment.slice(cut + 1)) as unknown;
}
