import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const proto = join(dirname(createRequire(import.meta.url).resolve('etcd3/package.json')), 'proto/rpc.proto');

/**
 * The two transactions of one acquisition and release, and nothing else: no session, no deadline, no promise more than
 * one a call. What these cost, every lock on grpc-js costs.
 */
export class BareCalls {
  #client;
  #kv = loadSync(proto, { longs: String, enums: String, keepCase: true })['etcdserverpb.KV'];
  #lease = loadSync(proto, { longs: String, keepCase: true })['etcdserverpb.Lease'];
  #id;

  /** @param {string} endpoint */
  static async connect(endpoint) {
    const calls = new BareCalls();
    calls.#client = new Client(endpoint, credentials.createInsecure());
    calls.#id = (await calls.#call(calls.#lease.LeaseGrant, { TTL: 3_600 })).ID;
    return calls;
  }

  /** @param {string} name */
  async cycle(name) {
    const key = Buffer.from(`/locks/${name}/${this.#id}`);
    const queue = Buffer.from(`/locks/${name}/`);
    const { header } = await this.#txn({
      compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
      success: [
        { request_put: { key, value: Buffer.alloc(100), lease: this.#id } },
        {
          request_range: {
            key: queue,
            range_end: Buffer.from(`/locks/${name}0`),
            limit: 1,
            keys_only: true,
            sort_order: 'Ascend',
            sort_target: 'Create',
          },
        },
      ],
    });
    await this.#txn({
      compare: [{ key, target: 'Create', result: 'Equal', create_revision: header.revision }],
      success: [{ request_delete_range: { key } }],
    });
  }

  close() {
    this.#client.close();
  }

  async #txn(request) {
    const answer = await this.#call(this.#kv.Txn, request);
    if (!answer.succeeded) throw new Error('a comparison failed: this measures something else');
    return answer;
  }

  #call({ path, requestSerialize, responseDeserialize }, request) {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  }
}
