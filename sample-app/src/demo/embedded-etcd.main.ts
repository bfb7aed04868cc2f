import { EmbeddedEtcd } from 'im-infra/testing';
import { followParent } from '../shared/follow-parent.js';

followParent();
const etcd = await EmbeddedEtcd.start({ port: Number(process.argv[2]) });
process.send?.(etcd.endpoint);
