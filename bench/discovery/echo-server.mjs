import { Server, ServerCredentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ECHO_PROTO } from './echo.mjs';

export const EchoClient = loadPackageDefinition(loadSync(ECHO_PROTO)).echo.Echo;

/** A gRPC server in this process that says who it is. */
export class EchoServer {
  /** The connections that calls came over. */
  peers = new Set();

  static async start(name, host = '127.0.0.1') {
    const echo = new EchoServer();
    echo.server = new Server();
    echo.server.addService(EchoClient.service, {
      Say: (call, done) => {
        echo.peers.add(call.getPeer());
        done(null, { text: call.request.text, server: name });
      },
      Count: (call) => call.end(),
    });
    echo.port = await new Promise((resolve, reject) =>
      echo.server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    return echo;
  }

  kill() {
    this.server.forceShutdown();
  }
}
