import { connect } from 'node:net';

type Answer = 'accepted' | 'refused' | 'silent';

/** Whether somebody accepts TCP connections there. Resolves within `timeout` ms, never rejects. */
export async function acceptsConnections(host: string, port: number, timeout = 500): Promise<boolean> {
  return (await knock(host, port, timeout)) === 'accepted';
}

/** Whether the machine there says that nobody listens. Silence is no answer. Resolves within `timeout` ms, never rejects. */
export async function refusesConnections(host: string, port: number, timeout = 500): Promise<boolean> {
  return (await knock(host, port, timeout)) === 'refused';
}

function knock(host: string, port: number, timeout: number): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (answer: Answer): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeout, () => done('silent'));
    socket.once('connect', () => done('accepted'));
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      done(code === 'ECONNREFUSED' ? 'refused' : 'silent'),
    );
    socket.unref();
  });
}
