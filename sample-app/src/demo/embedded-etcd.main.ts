import { EmbeddedEtcd } from 'im-infra/testing';
import { followParent } from '../shared/follow-parent.js';

followParent();
const port = process.argv[2];
const etcd = await EmbeddedEtcd.start(port === undefined ? {} : { port: Number(port) });
process.send?.(etcd.endpoint);
