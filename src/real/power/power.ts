/** Power of other machines, by the tool that their device needs. */
import type { Power } from '../../environment/power.ts';
import { orderByAgent, probeByAgent, readByAgent } from './fence-agent.ts';
import { Ipmitool } from './ipmitool.ts';

export function realPower(): Power {
  const ipmitool = new Ipmitool();
  return {
    read: (device, deadlineMs) =>
      device.kind === 'ipmi' ? ipmitool.read(device, deadlineMs) : readByAgent(device, deadlineMs),
    order: (device, power, deadlineMs) =>
      device.kind === 'ipmi' ? ipmitool.order(device, power, deadlineMs) : orderByAgent(device, power, deadlineMs),
    identify: (device, deadlineMs) =>
      device.kind === 'ipmi' ? ipmitool.identify(device, deadlineMs) : Promise.resolve({ guid: null, fault: null }),
    probe: (device, deadlineMs, isCalledOff) =>
      device.kind === 'ipmi'
        ? ipmitool.probe(device, deadlineMs, isCalledOff)
        : probeByAgent(device, deadlineMs, isCalledOff),
  };
}
