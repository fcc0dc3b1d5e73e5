/** Bad requests to noded's web listener, from inside a host of the lab: flood.mjs PORT COUNT. Prints how many got which status. */
import { Agent, request } from 'node:http';

const [port, count] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 50 });
const kinds = [
  { method: 'GET', path: '/v1/vms' },
  { method: 'GET', path: '/v1/vms', headers: { authorization: 'Bearer wrong' } },
  { method: 'POST', path: '/v1/vms/x/stop', headers: { 'content-type': 'application/json' }, body: '{"by":' },
  { method: 'GET', path: `/${'x'.repeat(4000)}` },
  { method: 'DELETE', path: '/v1/vms', headers: { authorization: 'Basic eDp5' } },
];
const seen = {};
const note = (what) => (seen[what] = (seen[what] ?? 0) + 1);
const one = (at) =>
  new Promise((resolve) => {
    const { body, ...kind } = kinds[at % kinds.length];
    const asked = request({ host: '127.0.0.1', port, agent, timeout: 20_000, ...kind }, (response) => {
      response.resume();
      response.on('end', () => resolve(note(response.statusCode)));
      response.on('error', () => resolve(note('broken')));
    });
    asked.on('error', (error) => resolve(note(error.code ?? 'error')));
    asked.on('timeout', () => asked.destroy());
    asked.end(body);
  });
await Promise.all(Array.from({ length: count }, (_, at) => one(at)));
console.log(JSON.stringify(seen));
process.exit(0);
