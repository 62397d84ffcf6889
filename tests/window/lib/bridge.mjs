/** Leads from a socket in the file system to a port of the network that this runs in: `bridge.mjs SOCKET PORT`. */
import { createConnection, createServer } from 'node:net';

const [socket, port] = process.argv.slice(2);

createServer((near) => {
  const far = createConnection(Number(port), '127.0.0.1');
  near.pipe(far).pipe(near);
  for (const end of [near, far]) end.on('error', () => [near, far].forEach((e) => e.destroy()));
}).listen(socket, () => console.log('ready'));
