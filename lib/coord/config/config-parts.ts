import type { RoomContext } from '../etcd/room-context.js';
import { ColdStart } from './cold-start.js';
import { ConfigDecoder } from './config-decoder.js';
import { ConfigHealth } from './config-health.js';
import { ConfigHistory, HISTORY_LIMIT } from './config-history.js';
import { ConfigReader } from './config-reader.js';
import { ConfigStreams } from './config-streams.js';
import { ConfigWriter } from './config-writer.js';
import type { ResolvedConfigOptions } from './config.options.js';
import { LiveViews } from './live-views.js';
import { ScopeSet } from './scope-set.js';

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
    const shared = { scopes: this.scopes, decoder, secrets, logger };
    this.streams = new ConfigStreams(shared);
    this.health = new ConfigHealth(this.streams.report, () => this.live.rejected());
    this.live = new LiveViews({
      ...shared,
      streams: this.streams,
      startTimeout: context.dialTimeout,
      snapshotDecided: () => this.coldStart?.decided() ?? Promise.resolve(),
      onRejected: () => this.health.update(),
      onSecret: () => this.coldStart?.review(),
    });
    this.coldStart =
      snapshot &&
      new ColdStart({
        client,
        snapshot,
        ...(snapshotKey && { key: snapshotKey }),
        secrets,
        logger,
        owner: options.space.service,
        refused: () => this.live.refusedKeys(),
        onAdopted: () => this.health.update(),
      });
    this.history = new ConfigHistory(client, context.prefixes.config, options.history || HISTORY_LIMIT);
    this.reader = new ConfigReader(client, this.scopes, decoder, options.codec);
    this.writer = new ConfigWriter(
      client,
      this.scopes,
      (key, value) => this.live.check(key, value),
      options.history > 0 ? this.history : undefined,
    );
  }

  async close(): Promise<void> {
    const saved = this.coldStart?.close();
    this.live.close();
    this.streams.close();
    this.health.close();
    this.scopes.close();
    await saved;
  }
}
