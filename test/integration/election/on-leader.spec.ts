import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { currentLeadership } from '../../../lib/coord/election/leadership-context.js';
import { OnLeader } from '../../../lib/coord/election/on-leader.decorator.js';
import { CoordUnavailableError } from '../../../lib/errors/coord-unavailable.error.js';
import { ImInfraModule } from '../../../lib/im-infra.module.js';
import { until } from '../../support/until.js';
import { etcdKinds, type EtcdUnderTest, startEtcdOf } from '../etcd-kinds.js';

@Injectable()
class Jobs {
  runs = 0;
  running = false;
  signal: AbortSignal | undefined;

  @Interval(20)
  @OnLeader('jobs')
  async tick(): Promise<string> {
    this.signal = currentLeadership()?.signal;
    this.running = true;
    await sleep(5);
    this.running = false;
    this.runs++;
    return 'ran';
  }
}

@Injectable()
class CronJobs {
  ran: string[] = [];

  @Cron('* * * * * *')
  @OnLeader('cron-below')
  async below(): Promise<void> {
    await sleep(1);
    this.ran.push('below');
  }

  @OnLeader('cron-above')
  @Cron('* * * * * *')
  async above(): Promise<void> {
    await sleep(1);
    this.ran.push('above');
  }
}

describe.each(await etcdKinds())('@OnLeader on %s etcd', (kind) => {
  let etcd: EtcdUnderTest;
  const open = new Set<INestApplicationContext>();
  beforeAll(async () => {
    etcd = await startEtcdOf(kind);
  });
  afterAll(() => etcd.stop());
  afterEach(async () => {
    await Promise.all([...open].map((app) => app.close()));
    open.clear();
  });

  async function start(): Promise<INestApplicationContext> {
    @Module({
      imports: [
        ScheduleModule.forRoot(),
        ImInfraModule.forRoot({
          service: { name: 'jobs' },
          clog: { level: 'fatal' },
          coord: { endpoints: etcd.endpoints },
        }),
      ],
      providers: [Jobs, CronJobs],
    })
    class App {}
    const app = await NestFactory.createApplicationContext(App, { logger: false });
    await app.init();
    open.add(app);
    return app;
  }

  it('runs a job on one of two applications, and on the other when the first stops', async () => {
    const first = await start();
    const leader = first.get(Jobs);
    await until(() => leader.runs > 2);
    expect(leader.signal).toBeInstanceOf(AbortSignal);
    const second = await start();
    const follower = second.get(Jobs);
    const before = leader.runs;
    await until(() => leader.runs > before + 5);
    expect(follower.runs).toBe(0);
    expect(await follower.tick()).toBeUndefined();
    await first.close();
    open.delete(first);
    expect(leader.running).toBe(false);
    const ended = leader.runs;
    await until(() => follower.runs > 2);
    expect(leader.runs).toBe(ended);
  });

  it('runs cron jobs on the leader only, written above or below @Cron', async () => {
    const apps = [await start(), await start()];
    const [leader, follower] = apps.map((app) => app.get(CronJobs)) as [CronJobs, CronJobs];
    const both = ({ ran }: CronJobs): boolean => ran.includes('above') && ran.includes('below');
    await until(() => both(leader) || both(follower));
    const ran = [...leader.ran, ...follower.ran];
    expect(new Set(ran)).toEqual(new Set(['above', 'below']));
    // Each election has one leader; the jobs of the other process have not run.
    for (const job of ['above', 'below']) {
      expect([leader, follower].filter((jobs) => jobs.ran.includes(job))).toHaveLength(1);
    }
  });

  it('never runs without an election service: fails closed', async () => {
    const outside = new Jobs();
    await expect(outside.tick()).rejects.toBeInstanceOf(CoordUnavailableError);
    expect(outside.runs).toBe(0);
  });
});
