/** One HTTP request to noded's socket, from inside a host of the lab: ask-socket.mjs SOCKET METHOD PATH [BODY]. Prints {status, value}. */
import { request } from 'node:http';

const [socketPath, method, path, body] = process.argv.slice(2);
const headers = body === undefined ? {} : { 'content-type': 'application/json' };
const asked = request({ socketPath, method, path, headers, timeout: 10_000 }, (response) => {
  let text = '';
  response.on('data', (chunk) => (text += chunk));
  const isJson = () => String(response.headers['content-type']).startsWith('application/json');
  const value = () => (isJson() ? JSON.parse(text) : text);
  response.on('end', () => console.log(JSON.stringify({ status: response.statusCode, value: value() })));
});
asked.on('error', (error) => {
  console.error(String(error));
  process.exit(1);
});
asked.end(body);
