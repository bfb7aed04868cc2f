import { systemClock } from '../etcd/clock.js';
import type { RoomContext } from '../etcd/room-context.js';
import { ColdStart } from './cold-start.js';
import { ConfigDecoder } from './config-decoder.js';
import { ConfigHealth } from './config-health.js';
import { ConfigHistory, HISTORY_LIMIT } from './config-history.js';
import { ConfigReader } from './config-reader.js';
import { ConfigStreams, type StreamDeps } from './config-streams.js';
import { ConfigWriter } from './config-writer.js';
import type { ResolvedConfigOptions } from './config.options.js';
import { Judgements } from './judgements.js';
import { LiveViews } from './live-views.js';
import { ScopeSet } from './scope-set.js';
import { StartPatience } from './start-patience.js';

/** What the centre is made of; each part knows the others only by what it needs of them. */
export class ConfigParts {
  readonly scopes: ScopeSet;
  readonly reader: ConfigReader;
  readonly writer: ConfigWriter;
  readonly streams: ConfigStreams;
  readonly live: LiveViews;
  readonly health: ConfigHealth;
  readonly history: ConfigHistory;
  readonly coldStart: ColdStart | undefined;
  readonly #patience: StartPatience;

  constructor(context: RoomContext, options: ResolvedConfigOptions) {
    const { client, logger, snapshot } = context;
    const { secrets, snapshotKey } = options;
    const decoder = new ConfigDecoder();
    this.scopes = new ScopeSet(
      client,
      options.scopes,
      (error) => this.streams.report(error),
      (scope, prefix) => {
        this.health.follow(scope);
        this.coldStart?.follow(scope, prefix);
      },
    );
    this.#patience = new StartPatience(client, context.dialTimeout, systemClock);
    const judgements = new Judgements(logger, () => this.health.update());
    const shared: StreamDeps = {
      scopes: this.scopes,
      decoder,
      secrets,
      judgements,
      logger,
      onValid: (keys, value, input, entries) => {
        secrets.learn(keys, value, input);
        // What nobody had read was left out of the snapshot.
        if (judgements.read(entries)) this.coldStart?.review();
      },
      // What was in doubt until now was left out, too.
      onJudged: () => this.coldStart?.review(),
    };
    this.streams = new ConfigStreams(shared);
    this.health = new ConfigHealth(this.streams.report, () => judgements.refused());
    this.live = new LiveViews({
      ...shared,
      streams: this.streams,
      patience: this.#patience,
      snapshotDecided: () => this.coldStart?.decided() ?? Promise.resolve(),
    });
    this.coldStart =
      snapshot &&
      new ColdStart({
        patience: this.#patience,
        snapshot,
        ...(snapshotKey && { key: snapshotKey }),
        secrets,
        logger,
        owner: options.space.service,
        doubted: () => judgements.doubted(),
        isUnread: (entry) => judgements.isUnread(entry),
        onAdopted: () => this.health.update(),
      });
    secrets.onLearned(() => this.coldStart?.review());
    this.history = new ConfigHistory(client, context.prefixes.config, options.history || HISTORY_LIMIT);
    this.reader = new ConfigReader(client, this.scopes, decoder, secrets, options.codec);
    this.writer = new ConfigWriter(
      client,
      this.scopes,
      (writes) => this.live.check(writes),
      options.history > 0 ? this.history : undefined,
    );
  }

  async close(): Promise<void> {
    const saved = this.coldStart?.close();
    this.live.close();
    this.streams.close();
    this.health.close();
    this.scopes.close();
    this.#patience.close();
    await saved;
  }
}
