import { connect } from 'node:net';

/** Whether somebody accepts TCP connections there. Resolves within `timeout` ms, never rejects. */
export function acceptsConnections(host: string, port: number, timeout = 500): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (accepted: boolean) => (): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(timeout, done(false));
    socket.once('connect', done(true));
    socket.once('error', done(false));
    socket.unref();
  });
}
