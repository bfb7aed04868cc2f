import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { expect, it } from 'vitest';
import { keyToBytes } from '../../../lib/coord/etcd/key-bytes.js';
import type { Compare, KeyRange, KeyValue, Op, RangeQuery, Txn } from '../../../lib/coord/etcd/kv.js';
import { decodeRange, decodeRenewal, decodeTxns, decodeWatch } from '../../../lib/coord/etcd/answers.js';
import { encodeRange, encodeRenewal, encodeTxns, encodeWatch } from '../../../lib/coord/etcd/requests.js';
import { SeededRandom } from '../../../lib/testing/index.js';

// The peer is protobufjs, on the .proto files that etcd3 brings along: what either writes, the other reads.
const proto = join(dirname(createRequire(import.meta.url).resolve('etcd3/package.json')), 'proto/rpc.proto');
const services = loadSync(proto, { longs: String, enums: String, keepCase: true, bytes: Buffer });

function method(service: string, name: string): MethodDefinition<object, object> {
  const definition = services[`etcdserverpb.${service}`] as Record<string, MethodDefinition<object, object>>;
  return definition[name]!;
}

const range = method('KV', 'Range');
const txn = method('KV', 'Txn');
const watch = method('Watch', 'Watch');

const random = SeededRandom.announced('messages');
const LARGE = [0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n, 2n ** 63n - 1n] as const;
const KEYS = ['a', '/locks/order:42/694d9ff2', 'ключ', '\uDC80\uDCFF', 'k'.repeat(255), 'k'.repeat(300)];
const TEXTS = ['', 'plain', '{"host":"ü"}', 'x'.repeat(127), 'x'.repeat(128), '€'.repeat(100)];

const some = <T>(make: () => T, most = 4): T[] => Array.from({ length: random.integer(0, most) }, make);
const maybe = <T extends object>(part: () => T): T | undefined => (random.chance(0.5) ? part() : undefined);
const int = () => (random.chance(0.5) ? random.pick(LARGE) : BigInt(random.integer(0, 2 ** 40)));
const key = () => random.pick(KEYS);
const value = () => (random.chance(0.5) ? random.pick(TEXTS) : Buffer.from(random.pick(TEXTS)));
const keys = (): KeyRange => ({ key: key(), ...maybe(() => ({ end: random.pick([...KEYS, '\0']) })) });

const ORDER = { asc: 'Ascend', desc: 'Descend' } as const;
const BY = { key: 'Key', create: 'Create', mod: 'Mod', version: 'Version', value: 'Value' } as const;
const RESULT = { '=': 'Equal', '!=': 'NotEqual', '<': 'Less', '>': 'Greater' } as const;
const OPERAND = {
  create: 'create_revision',
  mod: 'mod_revision',
  version: 'version',
  lease: 'lease',
  value: 'value',
} as const;

const query = (): RangeQuery => ({
  ...keys(),
  ...maybe(() => ({ limit: random.integer(1, 100_000) })),
  ...maybe(() => ({ revision: int() })),
  ...maybe(() => ({ keysOnly: random.chance(0.5) })),
  ...maybe(() => ({ countOnly: random.chance(0.5) })),
  ...maybe(() => ({
    sort: {
      by: random.pick(Object.keys(BY) as (keyof typeof BY)[]),
      order: random.pick(['asc', 'desc'] as const),
    },
  })),
});

function compare(): Compare {
  const common = { ...keys(), ...maybe(() => ({ op: random.pick(['=', '!=', '<', '>'] as const) })) };
  const target = random.pick(['create', 'mod', 'version', 'lease', 'value'] as const);
  return target === 'value' ? { ...common, target, value: value() } : { ...common, target, value: int() };
}

function op(): Op {
  const kind = random.integer(0, 2);
  if (kind === 0) return { put: { key: key(), value: value(), ...maybe(() => ({ lease: int() })) } };
  return kind === 1 ? { delete: keys() } : { range: query() };
}

const transaction = (): Txn => ({
  ...maybe(() => ({ compare: some(compare) })),
  success: some(op),
  ...maybe(() => ({ failure: some(op) })),
});

/** The same in the form of protobufjs. */
const asKeys = ({ key: from, end }: KeyRange) => ({
  key: keyToBytes(from),
  ...(end !== undefined && { range_end: keyToBytes(end) }),
});
const asRange = ({ limit, revision, keysOnly, countOnly, sort, ...range }: RangeQuery) => ({
  ...asKeys(range),
  ...(limit !== undefined && { limit }),
  ...(revision !== undefined && { revision: String(revision) }),
  ...(keysOnly && { keys_only: true }),
  ...(countOnly && { count_only: true }),
  ...(sort && { sort_order: ORDER[sort.order], sort_target: BY[sort.by] }),
});
const asOp = (each: Op) => {
  if ('range' in each) return { request_range: asRange(each.range) };
  if ('delete' in each) return { request_delete_range: asKeys(each.delete) };
  const { key: name, value: content, lease } = each.put;
  return {
    request_put: {
      key: keyToBytes(name),
      value: Buffer.from(content),
      ...(lease !== undefined && { lease: String(lease) }),
    },
  };
};
const asTxn = ({ compare: compares = [], success, failure = [] }: Txn) => ({
  compare: compares.map(({ op: relation = '=', target, value: operand, ...range }) => ({
    ...asKeys(range),
    result: RESULT[relation],
    target: BY[target as keyof typeof BY] ?? 'Lease',
    [OPERAND[target]]: typeof operand === 'bigint' ? String(operand) : Buffer.from(operand),
  })),
  success: success.map(asOp),
  failure: failure.map(asOp),
});

/** What protobufjs reads is written by it again, so that absent and default fields are told in one way. */
function sameRequest({ requestSerialize, requestDeserialize }: typeof range, ours: Buffer, theirs: object) {
  const canonical = requestDeserialize(requestSerialize(theirs));
  expect(requestDeserialize(ours)).toEqual(canonical);
}

const keyValue = (): KeyValue => ({
  key: key(),
  value: Buffer.from(random.pick(TEXTS)),
  createRevision: int(),
  modRevision: int(),
  version: int(),
  lease: int(),
});
const asKeyValue = (kv: KeyValue) => ({
  key: keyToBytes(kv.key),
  value: kv.value,
  create_revision: String(kv.createRevision),
  mod_revision: String(kv.modRevision),
  version: String(kv.version),
  lease: String(kv.lease),
});
const header = (revision: bigint) => ({
  cluster_id: '14841639068965178418',
  member_id: '10276657743932975437',
  revision: String(revision),
  raft_term: 2,
});

/** An answer to one operation, and the same in the form of protobufjs. */
function opAnswer() {
  const kind = random.integer(0, 2);
  const none = { kvs: [], count: 0, more: false };
  if (kind === 0) return { ours: none, theirs: { response_put: {} } };
  const count = random.integer(0, 1_000_000);
  if (kind === 1) return { ours: { ...none, count }, theirs: { response_delete_range: { deleted: count } } };
  const [kvs, more] = [some(keyValue), random.chance(0.5)];
  return {
    ours: { kvs, count, more },
    theirs: { response_range: { kvs: kvs.map(asKeyValue), count, more } },
  };
}

function txnAnswer(revision: bigint) {
  const [succeeded, answers] = [random.chance(0.5), some(opAnswer)];
  return {
    ours: { succeeded, revision, results: answers.map(({ ours }) => ours) },
    theirs: { succeeded, responses: answers.map(({ theirs }) => theirs) },
  };
}

const RUNS = 300;

it('asks for ranges as protobufjs does', () => {
  for (let run = 0; run < RUNS; run++) {
    const each = query();
    sameRequest(range, encodeRange(each), asRange(each));
  }
});

it('asks for one transaction as it is, and for none or several nested in one', () => {
  for (let run = 0; run < RUNS; run++) {
    const txns = some(transaction, 5);
    const theirs =
      txns.length === 1 ? asTxn(txns[0]!) : { success: txns.map((each) => ({ request_txn: asTxn(each) })) };
    sameRequest(txn, encodeTxns(txns), theirs);
  }
});

it('writes what is larger than its buffer', () => {
  const [small, large] = [
    { key: 'a', value: 'b' },
    { key: 'b', value: '€'.repeat(100_000) },
  ];
  const each: Txn = { success: [small, large, small].map((put) => ({ put })) };
  const { success } = txn.requestDeserialize(encodeTxns([each])) as {
    success: { request_put: { value: Buffer } }[];
  };
  expect(success.map(({ request_put: { value: found } }) => found.toString() === large.value)).toEqual([
    false,
    true,
    false,
  ]);
  sameRequest(txn, encodeTxns([each]), asTxn(each));
});

it('refuses a number that it cannot write', () => {
  for (const limit of [-1, 0.5, Infinity, Number.NaN]) {
    expect(() => encodeRange({ key: 'a', limit })).toThrow(RangeError);
  }
});

it('takes bytes of any kind', () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const each: Txn = { success: [{ put: { key: 'a', value: bytes as Buffer } }] };
  sameRequest(txn, encodeTxns([each]), asTxn(each));
});

it('forgets a message that could not be written', () => {
  const bad = { success: [{ put: { key: 'a', value: 5 as unknown as string } }] };
  expect(() => encodeTxns([bad])).toThrow(TypeError);
  sameRequest(range, encodeRange({ key: 'a' }), { key: Buffer.from('a') });
});

it('asks for watches', () => {
  for (let id = 1; id < RUNS; id++) {
    const [of, startRevision] = [keys(), int()];
    const create_request = {
      ...asKeys(of),
      start_revision: String(startRevision),
      watch_id: id,
      fragment: true,
    };
    sameRequest(watch, encodeWatch({ create: of, startRevision, id }), { create_request });
    sameRequest(watch, encodeWatch({ cancel: id }), { cancel_request: { watch_id: id } });
  }
  sameRequest(watch, encodeWatch({ progress: true }), { progress_request: {} });
});

it('reads answers to ranges', () => {
  for (let run = 0; run < RUNS; run++) {
    const [revision, kvs, more, count] = [int(), some(keyValue), random.chance(0.5), random.integer(0, 9)];
    const theirs = { header: header(revision), kvs: kvs.map(asKeyValue), more, count };
    expect(decodeRange(range.responseSerialize(theirs))).toEqual({ kvs, count, more, revision });
  }
});

it('reads answers to transactions', () => {
  for (let run = 0; run < RUNS; run++) {
    const revision = int();
    const answers = Array.from({ length: random.integer(1, 5) }, () => txnAnswer(revision));
    const [first] = answers;
    const theirs =
      answers.length === 1
        ? first!.theirs
        : { succeeded: true, responses: answers.map((each) => ({ response_txn: each.theirs })) };
    const bytes = txn.responseSerialize({ header: header(revision), ...theirs });
    expect(decodeTxns(bytes, answers.length)).toMatchObject(answers.map(({ ours }) => ours));
  }
});

it('reads what a watch sends', () => {
  for (let run = 0; run < RUNS; run++) {
    const id = random.pick([-1, 0, 1, 2 ** 40]);
    const [created, cancelled, fragment] = [random.chance(0.5), random.chance(0.5), random.chance(0.5)];
    const [compactRevision, reason] = [int(), random.pick(TEXTS)];
    const events = some(() => ({ deleted: random.chance(0.5), kv: keyValue() }));
    const bytes = watch.responseSerialize({
      header: header(int()),
      watch_id: id,
      created,
      canceled: cancelled,
      compact_revision: String(compactRevision),
      cancel_reason: reason,
      fragment,
      events: events.map(({ deleted, kv }) => ({ type: deleted ? 'Delete' : 'Put', kv: asKeyValue(kv) })),
    });
    expect(decodeWatch(bytes)).toEqual({ id, created, cancelled, compactRevision, reason, fragment, events });
  }
});

it('renews leases', () => {
  const renewal = method('Lease', 'LeaseKeepAlive');
  for (let run = 0; run < RUNS; run++) {
    const [leaseId, ttl] = [int(), random.integer(0, 9_000_000_000)];
    sameRequest(renewal, encodeRenewal(leaseId), { ID: String(leaseId) });
    const bytes = renewal.responseSerialize({ header: header(int()), ID: String(leaseId), TTL: ttl });
    expect(decodeRenewal(bytes)).toEqual({ leaseId, ttl });
  }
});

it('passes over fields that it does not know, and refuses what is cut off', () => {
  const known = range.responseSerialize({ header: header(7n), kvs: [asKeyValue(keyValue())], count: 1 });
  // Field 100 as a number, as eight bytes, as text and as four bytes.
  const unknown = Buffer.from('a00601a1060102030405060708a2060203e8a50601020304', 'hex');
  expect(decodeRange(Buffer.concat([unknown, known, unknown]))).toEqual(decodeRange(known));
  expect(() => decodeRange(known.subarray(0, -1))).toThrow(RangeError);
  // A header that is longer than the message, by 2^31 and by a number below 0: refused at once.
  for (const length of ['8080808008', 'ffffffffffffffffff01']) {
    expect(() => decodeRange(Buffer.from(`0a${length}`, 'hex'))).toThrow(RangeError);
  }
  expect(() => decodeWatch(Buffer.from('5a020801', 'hex'))).toThrow('an event of etcd has no key');
});
