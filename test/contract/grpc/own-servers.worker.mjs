/** A worker of a cluster: listens on the port it is given and says whether it knows of that. */
import { createServer } from 'node:net';
import { OwnServers } from '../../../dist/esm/coord/registry/own-servers.js';

const port = Number(process.argv[2]);
const own = new OwnServers();
createServer().listen(port, '127.0.0.1', () => process.send({ listens: own.listenOn(port), port }));
