import { NodeProcess } from './run-node.js';

export interface Scenario {
  readonly endpoints: readonly string[];
  readonly coord?: Readonly<Record<string, unknown>>;
  readonly port?: number;
  readonly transport?: 'http' | 'grpc' | 'hybrid';
  readonly protoPath?: string;
}

export interface Said {
  readonly what: string;
  readonly [field: string]: unknown;
}

/** fixtures/app.mjs in a process of its own. */
export class TriedApp {
  readonly process: NodeProcess;

  constructor(scenario: Scenario, limit = 40_000) {
    const env = { SCENARIO: JSON.stringify(scenario) };
    this.process = new NodeProcess(['test/e2e/fixtures/app.mjs'], { env, limit });
  }

  /** The first thing of this kind that it said. */
  async says(what: string, field?: string): Promise<Said> {
    const pattern = new RegExp(`^\\{"what":"${what}".*${field ?? ''}.*\\}$`, 'm');
    return JSON.parse((await this.process.prints(pattern))[0]) as Said;
  }

  /** Tells it to close and measures how long it then takes to be gone. */
  async close(): Promise<{ readonly code: number | null; readonly ms: number; readonly output: string }> {
    const from = performance.now();
    this.process.say('close');
    const { code, output } = await this.process.ended;
    return { code, output, ms: Math.round(performance.now() - from) };
  }
}
