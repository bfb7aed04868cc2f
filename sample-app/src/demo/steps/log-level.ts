import { type Fleet } from '../fleet.js';
import { type Step } from '../stage.js';
import { until } from '../until.js';

const key = '/config/demo/user-service/clog';

export const logLevel: Step = {
  title: "4. A service's log level changes through etcd",
  async play({ fleet, narrator }) {
    await callUsers(fleet);
    const before = debugLines(fleet).length;
    narrator.check(`debug lines of user-service at level info: ${before}`, before === 0);

    await fleet.coord.config.set(key, { level: 'debug' });
    narrator.say(`put ${key} '{"level":"debug"}'`);
    const ms = await until('debug lines appear', async () => {
      await callUsers(fleet);
      return debugLines(fleet).length > 0;
    });
    narrator.check(`debug lines appeared within ${ms} ms, for example`, true);
    narrator.say(JSON.stringify(debugLines(fleet)[0]));

    await fleet.coord.config.delete(key);
    await until('they stop when the key is deleted', async () => {
      const seen = debugLines(fleet).length;
      await callUsers(fleet);
      return debugLines(fleet).length === seen;
    });
    narrator.check('they stopped when the key was deleted', true);
  },
};

async function callUsers(fleet: Fleet): Promise<void> {
  await Promise.all(Array.from({ length: 10 }, (_, id) => fleet.get(`/users/${id}`)));
}

function debugLines(fleet: Fleet): unknown[] {
  return [...fleet.members.values()]
    .filter(({ service }) => service === 'user-service')
    .flatMap(({ log }) => log.filter(({ level, msg }) => level === 'debug' && msg === 'looking a user up'));
}
