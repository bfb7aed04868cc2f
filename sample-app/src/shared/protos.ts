import { fileURLToPath } from 'node:url';

const path = (file: string): string => fileURLToPath(new URL(`../../proto/${file}`, import.meta.url));

export const userProto = { package: 'sample.user.v1', protoPath: path('user.proto') };

/** 64-bit numbers arrive as strings: a fencing token does not fit a double. */
export const orderProto = {
  package: 'sample.order.v1',
  protoPath: path('order.proto'),
  loader: { longs: String },
};
