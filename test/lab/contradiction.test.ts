/**
 * STORE10 on real hosts: ZooKeeper's leader holds a change of one keepalive that no other server knows, and every noded reads what
 * the leader refuses; and the leader is out of the victim's reach until it has left both others. Nobody helps.
 */
import { LabDriver } from '../support/lab.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
const hosts = ['node1', 'node2', 'node3'];
/** With the others' votes the highest number wins. */
const leader = 'node3';
const victim = 'node1';

beforeAll(async () => {
  await lab.up(['--nodes', '3'], ['keepalive.interval=1s', 'detection.savingThrows=8']);
}, 120_000);
afterAll(() => lab.end());

const inHost = async (host: string, script: string): Promise<string> =>
  lab.do('exec', host, '--', 'bash', '-c', script);

/** The server of `host` alone, on its own data, with clocks too slow to end a session: `path` gets one more version. */
const alone = (host: string, path: string): Promise<string> =>
  inHost(
    host,
    `set -e
    grep -v '^server\\.' /etc/lab-zookeeper/zoo.cfg | sed 's/^tickTime=.*/tickTime=60000/; s/^clientPort=.*/clientPort=2999/; s/^maxSessionTimeout=.*//' > /root/alone.cfg
    setsid java -Xmx128m -Dzookeeper.skipACL=yes -Dzookeeper.jmx.log4j.disable=true -cp "/etc/lab-zookeeper:$(printf '/usr/share/java/%s.jar:' zookeeper slf4j-log4j12 log4j-1.2)" org.apache.zookeeper.server.quorum.QuorumPeerMain /root/alone.cfg > /opt/lab/log/alone-${host}.out 2>&1 &
    until (exec 3<>/dev/tcp/127.0.0.1/2999) 2> /dev/null; do sleep 0.05; done
    /opt/lab/node /opt/nodekeeper/test/support/write-alone.mjs 2999 /nodekeeper/lab${path}
    pkill -KILL -f '[a]lone.cfg'`,
  );

const logOfVictim = () => lab.logs().get(`noded-${victim}.log`) ?? '';

/** How many keepalives the victim's life has published. */
async function published(): Promise<number> {
  const { nodes } = JSON.parse(await lab.do('ctl', 'status', '--json')) as {
    nodes: { name: string; sequence: number }[];
  };
  return nodes.find(({ name }) => name === victim)?.sequence ?? 0;
}

it('the leader alone knows of a change: the servers that contradict it are left, the keepalive goes on, nobody is fenced', async () => {
  await lab.healthy();
  // Nothing changes any more, all copies are the same.
  await Promise.all(hosts.map((host) => lab.do('freeze', host, '--process', 'noded')));
  await pause(1000);
  // The loops that would start the servers again wait meanwhile.
  await Promise.all(hosts.map((host) => lab.do('freeze', host, '--process', 'zookeeper-service')));
  await Promise.all(hosts.map((host) => inHost(host, 'pkill -KILL -f "[Q]uorumPeerMain"')));
  for (const host of hosts) await alone(host, host === leader ? `/nodes/${victim}/keepalive` : '/nodes');
  await lab.do('thaw', leader, '--process', 'zookeeper-service');
  await pause(3000);
  const followers = hosts.filter((host) => host !== leader);
  await Promise.all(followers.map((host) => lab.do('thaw', host, '--process', 'zookeeper-service')));
  const serves =
    'until (exec 3<>/dev/tcp/$(hostname)/2181; echo srvr >&3; timeout 2 cat <&3) 2> /dev/null | grep Mode; do sleep 0.1; done';
  const modes = await Promise.all(hosts.map((host) => inHost(host, serves)));
  expect(modes.map((mode) => mode.trim())).toEqual(['Mode: follower', 'Mode: follower', 'Mode: leader']);
  await inHost(
    victim,
    `nft "add table inet away; add chain inet away out { type filter hook output priority 0; }
      add rule inet away out ip daddr 10.77.0.13 tcp dport 2181 drop"`,
  );
  await Promise.all(hosts.map((host) => lab.do('thaw', host, '--process', 'noded')));
  await lab.until('both others were left', 20_000, () =>
    Promise.resolve(logOfVictim().split('"store-contradicts"').length > 2),
  );
  await inHost(victim, 'nft delete table inet away');
  const before = await published();
  await lab.until('the victim publishes again', 30_000, async () => (await published()) > before + 3);
  await lab.healthy();
  const told = await lab.eventsOf('store-contradicts', victim);
  expect(told).toHaveLength(2);
  for (const { because } of told)
    expect(because).toMatch(
      /10\.77\.0\.1[12]:2181 shows version \d+ of \/nodes\/node1\/keepalive, and what rests on that is refused/,
    );
  expect(await lab.eventsOf('fence-intent')).toEqual([]);
});
