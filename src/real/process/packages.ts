/** Which package of Debian brings a program: whoever reads that it is missing wants to know just that. */
const packages: Readonly<Record<string, string>> = {
  arping: 'iputils-arping',
  ip: 'iproute2',
  ipmitool: 'ipmitool',
  journalctl: 'systemd',
  ndptool: 'libndp-tools',
  systemctl: 'systemd',
  tar: 'tar',
  virsh: 'libvirt-clients',
};

/** "X is not installed", with the package where it is known. */
export function notInstalled(program: string): string {
  const name = program.split('/').at(-1) ?? program;
  const found = packages[name] ?? (name.startsWith('fence_') ? 'fence-agents' : undefined);
  return `${program} is not installed${found === undefined ? '' : ` (Debian: apt-get install ${found})`}`;
}
