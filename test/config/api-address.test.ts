import { apiAddressComplaints } from '../../src/config/api-address.ts';
import { loadConfig } from '../../src/config/load.ts';

function complaints(api: object, servers: string[], resources: object[] = []): string[] {
  const tree = { cluster: { name: 'c' }, zookeeper: { servers }, api, primary: { resources } };
  const loaded = loadConfig(JSON.stringify(tree));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return apiAddressComplaints(loaded.config);
}
const three = ['a:2181', 'b:2181', 'c:2181'];

it('S1: config check refuses an API address that leads other nodes to themselves', () => {
  expect(complaints({}, three)).toEqual([]);
  expect(complaints({ address: '10.0.0.1' }, three)).toEqual([]);
  expect(complaints({ address: '127.0.0.1' }, three)).toEqual([
    'api.address: 127.0.0.1 leads every other node back to itself; give the address of this machine',
  ]);
  expect(complaints({ address: '0.0.0.0' }, three)).toHaveLength(1);
  expect(complaints({ address: '127.0.0.1', enabled: false }, three)).toEqual([]);
  expect(complaints({ address: '127.0.0.1' }, ['127.0.0.1:2181', 'localhost:2182'])).toEqual([]);
});

it('S1: config check refuses the address that moves with the primary role', () => {
  const vip = { type: 'address', name: 'vip', address: '10.0.0.9/24', interface: 'eth0' };
  expect(complaints({ address: '10.0.0.9' }, three, [vip])).toEqual([
    'api.address: 10.0.0.9 moves with the primary role (vip); give the address of this machine',
  ]);
  expect(complaints({ address: '10.0.0.1' }, three, [vip])).toEqual([]);
});
