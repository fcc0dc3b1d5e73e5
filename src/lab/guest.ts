/** The XML of the lab's guest (host/guest.S): it boots from a floppy at once, and counts on its serial line. */
import { createHash } from 'node:crypto';

/** The same name has the same UUID. */
export function guestUuid(name: string): string {
  const hex = createHash('md5').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function guestXml(name: string, memoryMiB = 64): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <uuid>${guestUuid(name)}</uuid>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='fd'/></os>
  <features><acpi/></features>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='/opt/lab/guest.img'/><target dev='fda'/><readonly/></disk>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='/opt/lab/log/serial-${name}' append='on'/></serial>
  </devices>
</domain>`;
}
