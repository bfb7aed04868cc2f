import { type Fleet } from '../fleet.js';
import { type LogLine } from '../process-log.js';
import { type Step } from '../stage.js';
import { until } from '../until.js';

const key = '/config/demo/user-service/clog';

export const logLevel: Step = {
  title: "4. A service's log level changes through etcd",
  async play({ fleet, narrator, signal }) {
    const debugLines = watchLog(fleet);
    await callUsers(fleet);
    const before = debugLines().length;
    narrator.check(`debug lines of user-service at level info: ${before}`, before === 0);

    await fleet.coord.config.set(key, { level: 'debug' }, { signal });
    narrator.say(`put ${key} '{"level":"debug"}'`);
    const appear = async (): Promise<boolean> => {
      await callUsers(fleet);
      return debugLines().length > 0;
    };
    const ms = await until('debug lines appear', appear, signal);
    narrator.check(`debug lines appeared within ${ms} ms, for example`, true);
    narrator.say(JSON.stringify(debugLines()[0]));

    await fleet.coord.config.delete(key, { signal });
    const stop = async (): Promise<boolean> => {
      const seen = debugLines().length;
      await callUsers(fleet);
      return debugLines().length === seen;
    };
    await until('they stop when the key is deleted', stop, signal);
    narrator.check('they stopped when the key was deleted', true);
  },
};

async function callUsers(fleet: Fleet): Promise<void> {
  await Promise.all(Array.from({ length: 10 }, (_, id) => fleet.get(`/users/${id}`)));
}

/** The debug lines of the user services from now on. */
function watchLog(fleet: Fleet): () => LogLine[] {
  const logs = fleet.running
    .filter(({ service }) => service === 'user-service')
    .map(({ log }) => ({ log, from: log.count }));
  return () =>
    logs.flatMap(({ log, from }) =>
      log.since(from).filter(({ level, msg }) => level === 'debug' && msg === 'looking a user up'),
    );
}
