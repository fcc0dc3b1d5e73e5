/** The only place where the real parts are chosen and put together. */
import { Agent } from '../agent/agent.ts';
import type { Config } from '../config/load.ts';
import type { FenceDevice } from '../records/device.ts';
import { cgroupCommands } from '../real/bound-commands.ts';
import { realClock } from '../real/clock.ts';
import { HttpPeerApi } from '../real/http/peer-api.ts';
import type { WebSettings } from '../real/http/web.ts';
import { VirshHypervisor } from '../real/libvirt/hypervisor.ts';
import { fileJournal, memoryJournal } from '../real/journal.ts';
import { lookups } from '../real/lookup.ts';
import { measuredStore } from '../real/measured-store.ts';
import type { RealMetrics } from '../real/metrics.ts';
import { machineIdentity, nodedLives } from '../real/machine.ts';
import type { RealLog } from '../real/log.ts';
import { realPower } from '../real/power/power.ts';
import { commandReset } from '../real/reset.ts';
import { realResources } from '../real/resources/resources.ts';
import { realStorageFence } from '../real/resources/storage-fence.ts';
import { realRandom } from '../real/random.ts';
import type { KeyRing } from '../real/secrets.ts';
import { realSubsystems } from '../real/subsystems/subsystems.ts';
import type { SystemdSupervisor } from '../real/systemd/supervisor.ts';
import { deviceWatchdog } from '../real/watchdog.ts';
import { storeOptions } from '../real/zookeeper/options.ts';
import { realZooKeeperServers } from '../real/zookeeper/servers.ts';
import { openZooKeeperStore } from '../real/zookeeper/store.ts';
import { tlsFiles } from '../real/zookeeper/tls-files.ts';

const sysrqTrigger = '/proc/sysrq-trigger';

export interface Parts {
  readonly config: Config;
  readonly name: string;
  readonly version: string;
  readonly keys: KeyRing;
  readonly devices: readonly FenceDevice[];
  readonly log: RealLog;
  readonly supervisor: SystemdSupervisor;
  readonly metrics: RealMetrics;
}

/** One life of noded, and what is done to it from outside. */
export interface Wired {
  readonly agent: Agent;
  /** The files of the web listener's certificate have changed. */
  readonly renewCertificate: () => Promise<void>;
}

/** A noded on real parts; it does nothing before `run`. A sentence instead: why this machine may have no second one. */
export async function wireAgent({
  config,
  name,
  version,
  keys,
  devices,
  log,
  supervisor,
  metrics,
}: Parts): Promise<Wired | string> {
  const peerApi = new HttpPeerApi({
    keys: () => keys.all.map((key) => key.apiKey),
    port: config.api.enabled ? config.api.port : null,
    socket: config.api.socket,
    debug: process.env['NODEKEEPER_DEBUG'] === '1',
    web: webSettings(config, keys),
    metrics,
    onTrouble: (because) => log.error('API not served', { because }),
  });
  const taken = await peerApi.claim();
  if (taken !== null) return taken;
  tellWhatHangs(log);
  const power = realPower();
  const { timing } = config;
  const session = openZooKeeperStore({
    ...storeOptions(config, keys),
    sessionTimeoutMs: timing.sessionTimeoutMs,
    connectTimeoutMs: timing.connectTimeoutMs,
    requestTimeoutMs: timing.requestTimeoutMs,
    onTrouble: (because) => log.warn('no TLS to ZooKeeper', { because }),
    onForeignAccess: (because) => log.error('the tree is open to others', { because }),
    onChange: (state, because) => log[state === 'connected' ? 'info' : 'warn'](`store ${state}`, { because }),
  });
  const agent = new Agent(
    {
      clock: realClock(),
      random: realRandom(),
      log,
      metrics,
      store: measuredStore(session, metrics),
      servers: realZooKeeperServers(config, storeOptions(config, keys).tls ?? null),
      power,
      secrets: keys,
      supervisor,
      subsystems: realSubsystems(config, power, devices.find((device) => device.kind === 'ipmi') ?? null),
      machine: machineIdentity(),
      processLives: nodedLives,
      primary: realResources(config.primary),
      commands: cgroupCommands,
      journal: fileJournal(config.node.stateDir),
      memory: memoryJournal(config.api.socket),
      peerApi,
      hypervisor: config.vms.enabled ? new VirshHypervisor(config.vms) : null,
      storageFence: realStorageFence(config.vms),
      watchdog:
        config.node.watchdog === undefined
          ? null
          : deviceWatchdog({ device: config.node.watchdog.device, timeoutMs: config.node.watchdog.timeout }),
      reset: commandReset(config.node.resetCommand, config.node.resetBySysrq ? sysrqTrigger : null, (because) =>
        log.error('the reset did not work', { because }),
      ),
    },
    { config, name, version, devices },
  );
  return { agent, renewCertificate: () => peerApi.renewCertificate() };
}

/** Both are used by every connection; who uses them has an answer or an error in time. */
function tellWhatHangs(log: RealLog): void {
  lookups.onTrouble = (host, because) => {
    if (because === null) log.info('the name lookup answers again', { host });
    else log.warn('a name lookup does not answer', { host, because });
  };
  tlsFiles.onTrouble = (because) => {
    if (because === null) log.info('the files for TLS to ZooKeeper are read again');
    else log.warn('the files for TLS to ZooKeeper cannot be read', { because });
  };
}

function webSettings({ web }: Config, keys: KeyRing): WebSettings | null {
  const { enabled, address, port, certificateFile, keyFile, openMetrics, requestsPerSecond } = web;
  const tls = certificateFile === undefined || keyFile === undefined ? null : { certificateFile, keyFile };
  return enabled ? { address, port, tls, tokens: () => keys.all, openMetrics, requestsPerSecond } : null;
}
