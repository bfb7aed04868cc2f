/** Two gRPC servers in a process of their own, for a parent that measures clients. Says their ports. */
import { EchoServer } from './echo-server.mjs';

const [base, newcomer] = await Promise.all([EchoServer.start('base'), EchoServer.start('new')]);
process.on('disconnect', () => process.exit(0)); // never outlive the bench
process.send({ base: base.port, newcomer: newcomer.port });
