// etcd by bare grpc-js and its .proto files: the floor that the configuration centre is compared with.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const proto = join(
  dirname(createRequire(import.meta.url).resolve('etcd3/package.json')),
  'proto',
  'rpc.proto',
);
const { etcdserverpb } = grpc.loadPackageDefinition(
  loadSync(proto, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
);

export class RawEtcd {
  #kv;
  #watch;

  /** @param {string} endpoint */
  constructor(endpoint) {
    const options = { 'grpc.max_receive_message_length': -1, 'grpc.use_local_subchannel_pool': 1 };
    const credentials = grpc.credentials.createInsecure();
    this.#kv = new etcdserverpb.KV(endpoint, credentials, options);
    this.#watch = new etcdserverpb.Watch(endpoint, credentials, options);
  }

  /** @returns {Promise<any>} */
  range(request) {
    return new Promise((resolve, reject) =>
      this.#kv.range(request, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
  }

  /** @returns {Promise<any>} */
  put(request) {
    return new Promise((resolve, reject) =>
      this.#kv.put(request, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
  }

  /** All keys of a prefix in pages at one revision. @returns {Promise<any[]>} */
  async list(prefix, limit) {
    const kvs = [];
    let key = Buffer.from(prefix);
    const range_end = endOf(prefix);
    let revision = '0';
    for (;;) {
      const page = await this.range({ key, range_end, limit, revision });
      kvs.push(...page.kvs);
      revision = page.header.revision;
      if (!page.more) return kvs;
      key = Buffer.concat([page.kvs.at(-1).key, Buffer.from([0])]);
    }
  }

  /** One watch on a prefix; resolves once etcd has made it. @returns {Promise<{ cancel(): void }>} */
  watch(prefix, onEvent) {
    return new Promise((resolve) => {
      const stream = this.#watch.watch();
      stream.on('error', () => undefined);
      stream.on('data', (answer) => {
        if (answer.created) resolve({ cancel: () => stream.cancel() });
        for (const { kv } of answer.events) onEvent(kv);
      });
      stream.write({ create_request: { key: Buffer.from(prefix), range_end: endOf(prefix) } });
    });
  }

  close() {
    this.#kv.close();
    this.#watch.close();
  }
}

function endOf(prefix) {
  const end = Buffer.from(prefix);
  end[end.length - 1] += 1;
  return end;
}
