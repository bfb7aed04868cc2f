import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, Scope } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import type { ClogService } from './clog.service.js';
import { CLOG_SERVICE } from './clog.tokens.js';

/** Runs a function where no request is: this file is loaded before there is any. */
const outsideOfRequests = AsyncLocalStorage.snapshot();

/**
 * nestjs-pino's PinoLogger on this application's root. nestjs-pino keeps one root for the whole process, that of the
 * application that came first; here, whatever is not a request's own logger is replaced by ours, with the trace.
 */
@Injectable({ scope: Scope.TRANSIENT })
export class ClogPinoLogger extends PinoLogger {
  @Inject(CLOG_SERVICE)
  private readonly clog!: ClogService;

  override get logger(): PinoLogger['logger'] {
    const found = super.logger;
    const root = outsideOfRequests(() => super.logger);
    return found === root ? this.clog.currentPino : found;
  }
}
