/** Every parser that meets the outside, on mangled real outputs: it never throws, and never says more than the text does. */
import * as fc from 'fast-check';
import { parseDuration, printDuration } from '../../src/config/duration.ts';
import { loadConfig } from '../../src/config/load.ts';
import { parseScenario } from '../../src/proof/scenario-file.ts';
import { readDomainXml } from '../../src/real/libvirt/domain-xml.ts';
import {
  parseDomState,
  parseJobInfo,
  parseNames,
  parseStates,
  parseUuids,
} from '../../src/real/libvirt/virsh-output.ts';
import { parseMetadata } from '../../src/real/power/agent-metadata.ts';
import { faultOf, guidOf, powerOf, privilegeOf } from '../../src/real/power/ipmitool-output.ts';
import { cephReading, commandReading, libvirtReading } from '../../src/real/subsystems/readings.ts';
import { uuidPattern, vmNamePattern } from '../../src/records/vm.ts';
import { mangled } from '../support/mangled.ts';

const runs = { numRuns: 2000 };
const check = (samples: readonly string[], property: (text: string) => void) =>
  fc.assert(fc.property(mangled(...samples), property), runs);

const metadata = `<?xml version="1.0" ?>
<resource-agent name="fence_ipmilan" shortdesc="Fence agent for IPMI">
<parameters><parameter name="ip" required="1"><content type="string" /></parameter></parameters>
<actions><action name="on" /><action name="off" /><action name="status" /></actions>
</resource-agent>`;

const domain = `<domain type='kvm'><name>db1</name><uuid>11111111-1111-4111-8111-111111111111</uuid>
<memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type>hvm</type></os></domain>`;

const listing = `11111111-1111-4111-8111-111111111111 db1
22222222-2222-4222-8222-222222222222 web

Domain: 'db1'
  state.state=1
  state.reason=1

Domain: 'web'
  state.state=5
  state.reason=2
`;

const jobInfo = `Job type:         Unbounded
Operation:        Outgoing migration
Time elapsed:     512          ms
Data processed:   12.500 MiB
Data remaining:   100.250 MiB
Data total:       1.016 GiB
`;

const ipmi = [
  'Chassis Power is on\n',
  'Chassis Power is off\n',
  'Error: Unable to establish IPMI v2 / RMCP+ session\n',
  `ID  Name\t     Callin  Link Auth\tIPMI Msg   Channel Priv Limit
2   nodekeeper       true    true       true       OPERATOR
`,
  'System GUID  : 31303043-534d-2500-90d8-7a7a7a7a7a7a\nTimestamp    : 01/01/1996 00:00:00\n',
];

describe('ipmitool', () => {
  it('power is never read out of a text that does not say it', () => {
    check(ipmi, (text) => {
      const power = powerOf(text);
      if (power !== 'unknown') expect(text.toLowerCase()).toContain(`is ${power}`);
    });
  });

  it('faults, privileges and GUIDs', () => {
    check(ipmi, (text) => {
      expect(typeof faultOf(text)).toBe('string');
      const privilege = privilegeOf(text, 'nodekeeper');
      if (privilege !== null) expect(text).toContain(privilege);
      const guid = guidOf(text);
      if (guid !== null) expect(guid).toMatch(/^[0-9a-f-]{32,36}$/i);
    });
  });
});

it('the metadata of fence agents', () => {
  check([metadata], (text) => {
    const read = parseMetadata(text);
    if (typeof read === 'string') expect(read).toMatch(/metadata is not/);
    else expect(read.actions.every((action) => typeof action === 'string')).toBe(true);
  });
});

describe('libvirt', () => {
  it('what is taken of a domain is whole', () => {
    check([domain], (text) => {
      const read = readDomainXml(text);
      if (!read.ok) expect(read.because).not.toBe('');
      else {
        expect(read.domain.name).toMatch(vmNamePattern);
        expect(read.domain.uuid).toMatch(uuidPattern);
        expect(read.domain.memoryMiB).toBeGreaterThan(0);
        expect(Number.isSafeInteger(read.domain.vcpus) && read.domain.vcpus > 0).toBe(true);
      }
    });
  });

  it('lists, states and jobs', () => {
    check([listing, jobInfo, 'running (booted)\n', 'shut off (destroyed)\n'], (text) => {
      for (const { uuid } of parseNames(text) ?? []) expect(uuid).toMatch(uuidPattern);
      for (const uuid of parseUuids(text) ?? []) expect(uuid).toMatch(uuidPattern);
      for (const { state, reason } of parseStates(text) ?? []) expect(state + reason).toBeGreaterThanOrEqual(0);
      const state = parseDomState(text);
      if (state?.power === 'off') expect(text).toMatch(/shut off/);
      const job = parseJobInfo(text);
      if (job?.totalBytes != null) expect(Number.isFinite(job.totalBytes)).toBe(true);
    });
  });
});

it('subsystems: what is not understood is never "ok"', () => {
  const ceph = '{"status":"HEALTH_OK","checks":{}}';
  const osd = '{"num_osds":3,"num_up_osds":3,"num_in_osds":3}';
  check([ceph, osd], (text) => {
    const reading = cephReading(text, osd);
    if (reading.ok && reading.health === 'ok') expect(text).toContain('HEALTH_OK');
    libvirtReading(text);
    const command = commandReading(0, text, '');
    if (command.ok) expect(command.summary.length).toBeLessThan(1000);
  });
});

it('durations', () => {
  check(['5s', '1m30s', '400ms', '2h'], (text) => {
    const ms = parseDuration(text);
    if (ms === null) return;
    expect(ms).toBeGreaterThanOrEqual(0);
    if (Number.isSafeInteger(ms)) expect(parseDuration(printDuration(ms))).toBe(ms);
  });
});

it('configurations and stories', () => {
  const config = 'cluster: { name: lab }\nzookeeper: { servers: [zk1:2181] }\nkeepalive: { interval: 5s }\n';
  const story = "cluster: { nodes: 3 }\nstory:\n  - { at: 20s, do: 'power node2 off' }\nuntil: 60s\n";
  check([config], (text) => {
    const loaded = loadConfig(text);
    if (!loaded.ok) expect(loaded.errors.length).toBeGreaterThan(0);
  });
  check([story], (text) => {
    const read = parseScenario(text);
    if (!read.ok) expect(read.because).not.toBe('');
    else expect(read.scenario.cluster.nodes).toBeGreaterThan(0);
  });
});
