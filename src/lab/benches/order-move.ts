/** Orders a forced live migration at this host's noded: order-move.js VM TARGET. Prints the wall time (ms) at which it was sent. */
import { request } from 'node:http';

const [vm = '', target = ''] = process.argv.slice(2);
const asked = request(
  {
    socketPath: '/run/nodekeeper/noded.sock',
    method: 'POST',
    path: `/v1/vms/${encodeURIComponent(vm)}/migrate`,
    headers: { 'content-type': 'application/json' },
  },
  (response) => {
    response.resume();
    response.on('end', () => {
      if (response.statusCode === 202) process.stdout.write(`${sentMs}\n`);
      else process.exitCode = 1;
    });
  },
);
const sentMs = Date.now();
asked.end(JSON.stringify({ forceLive: true, target, by: 'bench' }));
