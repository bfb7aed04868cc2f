import { freePorts } from '../../dist/esm/testing/free-port.js';

export { EtcdProcess } from '../../dist/esm/testing/index.js';

export async function freePort() {
  const [port] = await freePorts(1);
  return port;
}
