import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import { packageDefinition } from '../../../lib/testing/embedded/proto.js';

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestType: { readonly type: { readonly name: string } };
  readonly responseType: { readonly type: { readonly name: string } };
}

const shipped = join(dirname(createRequire(import.meta.url).resolve('etcd3/package.json')), 'proto');
const theirs = loadSync(join(shipped, 'rpc.proto'), { includeDirs: [shipped] });
const ours = packageDefinition();

/** What a message or a service is on the wire, by its name without the package. */
function wire(definition: PackageDefinition): Map<string, string[]> {
  return new Map(
    Object.entries(definition).map(([path, entry]) => {
      const { type } = entry as { readonly type?: { readonly field?: readonly Field[] } };
      const lines =
        type === undefined ? Object.values(entry).map(methodLine) : (type.field ?? []).map(fieldLine);
      return [path.split('.').at(-1)!, lines];
    }),
  );
}

function fieldLine({ name, number, label, type, typeName }: Field): string {
  // Ours has no enums: int32 is what they are on the wire. Ours has one package, theirs three.
  const kind = type === 'TYPE_ENUM' ? 'TYPE_INT32' : type;
  const message = type === 'TYPE_MESSAGE' ? ` ${typeName.split('.').at(-1)}` : '';
  return `${name} = ${number}: ${label} ${kind}${message}`;
}

function methodLine({ path, requestStream, responseStream, requestType, responseType }: Method): string {
  const of = (stream: boolean, { type }: Method['requestType']): string =>
    `${stream ? 'stream ' : ''}${type.name}`;
  return `${path}: ${of(requestStream, requestType)} -> ${of(responseStream, responseType)}`;
}

describe('the protocol of EmbeddedEtcd', () => {
  const [shippedWire, ownWire] = [wire(theirs), wire(ours)];
  const services = ['KV', 'Watch', 'Lease', 'Cluster', 'Maintenance', 'Auth'];
  const messages = [...ownWire.keys()].filter((name) => !services.includes(name));

  it.each(messages)('has the message %s as etcd3 ships it, field by field', (name) => {
    expect(ownWire.get(name)).toEqual(shippedWire.get(name));
  });

  it.each(services)('has the methods of %s as etcd3 ships them', (name) => {
    expect(shippedWire.get(name)).toEqual(expect.arrayContaining(ownWire.get(name)!));
  });

  it.each(['KV', 'Watch', 'Lease'])('has all of %s', (name) => {
    expect(ownWire.get(name)).toHaveLength(shippedWire.get(name)!.length);
  });
});
