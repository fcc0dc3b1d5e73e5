/** What this noded holds true right now, as samples for whoever watches. Reads the board only: instant, and decides nothing. */
import { standingFindings } from '../core/device-trust.ts';
import { daemonStates } from '../core/node.ts';
import { primaryStates } from '../core/primary.ts';
import type { LabelsOf, MetricSample, SampleName } from '../records/metrics.ts';
import type { Context } from './context.ts';
import { keepaliveAgeMs } from './context.ts';
import type { PrimaryLoop } from './primary/primary.ts';

export function gauges(context: Context, primary: PrimaryLoop | null): MetricSample[] {
  const { self } = context;
  const samples: MetricSample[] = [];
  const put: Put = (name, value, labels) => void samples.push({ name, value, labels });
  put('nodekeeper_info', 1, { node: self.name, role: self.role, version: self.version });
  putLife(context, put);
  putPeers(context, put);
  for (const [peer, { findings }] of Object.entries(context.devices.allRemembered()))
    for (const { device, kind, sinceWallMs } of standingFindings(findings))
      put('nodekeeper_fence_device_distrusted', sinceWallMs / 1000, { peer, device, kind });
  if (primary !== null) putRole(context, primary, put);
  putVms(context, put);
  return samples;
}

type Put = <N extends SampleName>(name: N, value: number, labels: LabelsOf<N>) => void;

function putLife(context: Context, put: Put): void {
  const { env, board } = context;
  const nowMs = env.clock.monotonicMs();
  for (const state of Object.keys(daemonStates))
    put('nodekeeper_daemon_state', state === board.daemonState ? 1 : 0, { state });
  const ageMs = keepaliveAgeMs(context);
  if (ageMs !== null) put('nodekeeper_keepalive_age_seconds', ageMs / 1000, {});
  const { state, generation } = env.store.session();
  put('nodekeeper_store_connected', state === 'connected' ? 1 : 0, {});
  put('nodekeeper_store_servers_refused', board.refusedServers.size, {});
  put('nodekeeper_store_sessions_total', generation, {});
  put('nodekeeper_api_address_refused', board.apiTrouble === null ? 0 : 1, {});
  put('nodekeeper_watchdog_armed', board.watchdogArmed ? 1 : 0, {});
  for (const [subsystem, { health, takenAtMs }] of board.subsystems) {
    put('nodekeeper_subsystem_healthy', health === 'ok' ? 1 : 0, { subsystem });
    if (takenAtMs !== null) put('nodekeeper_subsystem_age_seconds', (nowMs - takenAtMs) / 1000, { subsystem });
  }
}

function putPeers({ env, board }: Context, put: Put): void {
  for (const [peer, { throws, silentMs, verdict }] of board.peers) {
    put('nodekeeper_peer_throws', throws, { peer });
    put('nodekeeper_peer_dead', verdict === 'dead' ? 1 : 0, { peer });
    if (silentMs !== null) put('nodekeeper_peer_silent_seconds', silentMs / 1000, { peer });
  }
  for (const [peer, { canFence, wallMs }] of board.proofs) {
    put('nodekeeper_fencing_possible', canFence ? 1 : 0, { peer });
    put('nodekeeper_fencing_proof_age_seconds', Math.max(0, env.clock.wallMs() - wallMs) / 1000, { peer });
  }
}

function putRole({ board }: Context, { tenure }: PrimaryLoop, put: Put): void {
  for (const state of Object.keys(primaryStates))
    put('nodekeeper_primary_state', state === tenure.role.state ? 1 : 0, { state });
  put('nodekeeper_primary_epoch', board.primaryEpoch, {});
  const leftMs = tenure.holdsRole() ? Math.max(0, tenure.leaseLeftMs()) : 0;
  put('nodekeeper_primary_lease_left_seconds', leftMs / 1000, {});
}

function putVms({ board }: Context, put: Put): void {
  for (const [state, count] of board.vmStates) put('nodekeeper_vms', count, { state });
  for (const [power, count] of board.guestPowers ?? []) put('nodekeeper_guests', count, { power });
}
