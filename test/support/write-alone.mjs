/**
 * One more version of a record, with the same text, by a ZooKeeper server that asks for no rights: write-alone.mjs PORT PATH. For a
 * server that runs alone inside a host of the lab, so that its copy of the tree comes to differ from the others'.
 */
import zookeeper from 'node-zookeeper-client';

const [port, path] = process.argv.slice(2);
const client = zookeeper.createClient(`127.0.0.1:${port}`, { sessionTimeout: 20_000, retries: 0 });
setTimeout(() => process.exit(1), 15_000).unref();
const failed = (error) => {
  console.error(String(error));
  process.exit(1);
};
client.once('connected', () => {
  client.getData(path, (error, data) => {
    if (error) failed(error);
    else
      client.setData(path, data, -1, (unwritten, stat) => {
        if (unwritten) failed(unwritten);
        console.log(stat.version);
        client.once('disconnected', () => process.exit(0));
        client.close();
      });
  });
});
client.connect();
