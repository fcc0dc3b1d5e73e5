/** The Debian package on hosts under systemd: installed, upgraded one node after another while a VM runs, removed, purged. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestXml } from '../../src/lab/guest.ts';
import { countBoots, ticksOf } from '../support/guests.ts';
import { LabDriver } from '../support/lab.ts';

const lab = new LabDriver();
const hosts = ['node1', 'node2', 'node3'];
const host = (name: string, script: string) => lab.say(['exec', name, '--', 'bash', '-c', script]);
const must = async (name: string, script: string) => {
  const said = await host(name, script);
  if (said.code !== 0) throw new Error(`${name}: ${script}: exit code ${said.code}: ${said.stderr}${said.stdout}`);
  return said.stdout.trim();
};
const built = mkdtempSync(join(tmpdir(), 'nk-package-'));
const pack = (version: string, ...more: string[]) =>
  execFileSync('scripts/package', ['--out', built, '--version', version, ...more], { encoding: 'utf8' }).trim();
/** The machine's node is not one of its packages, as a rule. */
const dpkgInstall = (version: string) =>
  `dpkg --path-include='/usr/share/man/*' --ignore-depends=nodejs,ipmitool,systemd -i /opt/lab/log/nodekeeper_${version}_all.deb`;
/** Files of the root that have to do with us; the checkout itself lies on it too. */
const traces = `find / -xdev \\( -path /opt -o -path /root -o -path /var/cache/man -o -path ${process.cwd()} \\) -prune -o \\( -iname '*nodekeeper*' -o -name 'noded*' -o -name 'nodectl*' \\) -print | sort`;
const throwsSeen = () => [...lab.logs().values()].join('').split('saving throw failed').length;

beforeAll(async () => {
  const first = pack('1.0.0', '--built');
  const second = pack('1.0.1', '--built');
  await lab.up(['--nodes', '3', '--systemd', '--vms'], ['keepalive.interval=1s', 'detection.savingThrows=5']);
  for (const file of [first, second]) copyFileSync(file, join(lab.dir, 'log', file.split('/').at(-1) ?? ''));
}, 240_000);
afterAll(async () => {
  rmSync(built, { recursive: true, force: true });
  await lab.end();
});

it('the same sources give the same package, byte for byte; a wrong word is refused', () => {
  const before = readFileSync(join(built, 'nodekeeper_1.0.1_all.deb'));
  expect(readFileSync(pack('1.0.1', '--built')).equals(before)).toBe(true);
  expect(() => pack('1 0', '--built')).toThrow(/is no version of a Debian package/);
});

it('lintian has nothing to say but what is overridden with a reason', () => {
  const said = execFileSync(
    'lintian',
    ['--allow-root', '--fail-on', 'error,warning', join(built, 'nodekeeper_1.0.1_all.deb')],
    { encoding: 'utf8' },
  );
  expect(said.trim()).toBe('');
});

it('installed where there is no configuration it starts nothing, and says what to do', async () => {
  await lab.healthy();
  // The lab's own unit and programs make room for the package's.
  for (const name of hosts) {
    await must(
      name,
      'rm -f /usr/sbin/policy-rc.d; ln -sf /opt/lab/node /usr/local/bin/node; cp -a /etc/nodekeeper/. /root/conf/ 2>/dev/null || { mkdir /root/conf; cp -a /etc/nodekeeper/. /root/conf/; }',
    );
  }
  await must(
    'node3',
    'systemctl stop noded; rm -f /run/systemd/system/noded.service /usr/bin/noded /run/lab/bin/noded /run/lab/bin/nodectl; systemctl daemon-reload; rm -rf /etc/nodekeeper/config.yaml /var/lib/nodekeeper',
  );
  await must('node3', `${traces} > /root/before`);
  const said = await must('node3', dpkgInstall('1.0.0'));
  expect(said).toMatch(/nothing is started; see .*OPERATIONS\.md/);
  expect(await must('node3', 'systemctl is-active noded; systemctl is-enabled noded; true')).toBe('inactive\ndisabled');
  expect((await host('node3', 'systemctl start noded; systemctl is-active noded')).stdout.trim()).toBe('inactive');
  expect(await must('node3', 'nodectl --version; noded --version')).toBe('1.0.0\n1.0.0');
  expect(await must('node3', 'nodectl --help')).toMatch(/^nodectl: the command line of nodekeeper/);
  for (const [page, title] of [
    ['nodectl', /^NODECTL\(1\)/],
    ['noded', /^NODED\(8\)/],
    ['nodekeeper.yaml', /^NODEKEEPER\.YAML\(5\)/],
  ] as const)
    expect(await must('node3', `MANPAGER=cat MANWIDTH=80 LC_ALL=C man ${page}`)).toMatch(title);
  // What only this machine's Node.js can make: used from the first command on, and gone with the package.
  expect(await must('node3', 'stat -c %U:%a /usr/lib/nodekeeper/dist/cli/nodectl.code')).toBe('root:644');
  expect(await must('node3', 'source /usr/share/bash-completion/completions/nodectl && complete -p nodectl')).toMatch(
    /nodectl$/,
  );
  const broken = await must(
    'node3',
    'cd / && md5sum --quiet -c /var/lib/dpkg/info/nodekeeper.md5sums; dpkg --verify nodekeeper',
  );
  expect(broken).toBe('');
  await must('node3', 'cp -a /root/conf/. /etc/nodekeeper/; systemctl enable --now noded');
  await lab.healthy();
});

it('upgraded one after another under load, with a VM: no fence, no saving throw, one guest, the role handed over', async () => {
  for (const name of ['node1', 'node2']) {
    await must(
      name,
      'systemctl stop noded; rm -f /run/systemd/system/noded.service /usr/bin/noded /run/lab/bin/noded /run/lab/bin/nodectl; systemctl daemon-reload',
    );
    await must(name, `${dpkgInstall('1.0.0')}; systemctl enable --now noded`);
    await lab.healthy();
  }
  const xml = join(lab.dir, 'log', 'u1.xml');
  execFileSync('bash', ['-c', 'cat > "$0"', xml], { input: guestXml('u1') });
  await lab.do('ctl', 'vm', 'define', xml, '--node', 'node2');
  await lab.do('ctl', 'vm', 'start', 'u1');
  const throws = throwsSeen();
  const fences = (await lab.fences()).length;
  const events = (await lab.events()).length;
  for (const name of hosts)
    await must(name, 'setsid timeout 120 nice -n 5 sh -c "while :; do :; done" >/dev/null 2>&1 </dev/null &');
  for (const name of hosts) {
    const startMs = Date.now();
    await must(name, dpkgInstall('1.0.1'));
    const installedMs = Date.now() - startMs;
    await lab.healthy();
    expect(await must(name, 'nodectl --version; systemctl is-active noded')).toBe('1.0.1\nactive');
    process.stdout.write(`${name}: dpkg ${installedMs} ms, well after ${Date.now() - startMs} ms\n`);
  }
  for (const name of hosts) await host(name, 'pkill -f "[w]hile :; do"');
  const news = (await lab.events()).slice(0, -events || undefined);
  expect(
    news.filter(({ kind }) =>
      ['verdict', 'fence-intent', 'fenced', 'fence-failed', 'deposed', 'self-fence'].includes(kind),
    ),
  ).toEqual([]);
  expect(throwsSeen()).toBe(throws);
  expect((await lab.fences()).length).toBe(fences);
  expect(countBoots(ticksOf(lab.dir, 'u1'))).toEqual({ boots: 1, isTorn: false });
  const nodes = (JSON.parse(await lab.do('ctl', 'status', '--json')) as { nodes: { version: string | null }[] }).nodes;
  expect(nodes.map(({ version }) => version)).toEqual(['1.0.1', '1.0.1', '1.0.1']);
}, 300_000); // five installations one after another, of 6 s each on a quiet machine and of half a minute on a busy one

it('removed it stops in good order and leaves the configuration; purged it leaves nothing', async () => {
  const fences = (await lab.fences()).length;
  await must('node3', 'dpkg -r nodekeeper');
  expect(await must('node3', 'systemctl is-active noded; ls /usr/bin/noded /usr/bin/nodectl 2>&1; true')).toMatch(
    /^inactive\n.*No such file[^]*No such file/,
  );
  expect(await must('node3', 'ls /etc/nodekeeper')).toMatch(/config\.yaml/);
  expect((await lab.node('node3'))?.state).toBe('stop');
  await must('node3', 'dpkg --purge nodekeeper');
  expect(await must('node3', `${traces} | diff /root/before - || true`)).toBe('');
  expect((await lab.fences()).length).toBe(fences);
});
