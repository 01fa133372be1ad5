import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import type { Application } from 'express';
import { Dispatcher } from '../queue/dispatcher.js';

export const BOARD_PATH = '/admin/queues';

type EntryRoute = Parameters<ExpressAdapter['setEntryRoute']>[0];

/** A page that asks this server alone: Bull Board's own fetches a font from elsewhere, which tells that it was opened. */
class OwnFilesAdapter extends ExpressAdapter {
  override setEntryRoute(entry: EntryRoute): this {
    (this.app as unknown as Application)[entry.method](entry.route as string[], (_request, response, next) => {
      const { name, params } = entry.handler({ basePath: this.basePath, uiConfig: this.uiConfig });
      response.render(name, params, (error: Error | null, page?: string) => {
        if (error) next(error);
        else response.type('html').send(page?.replace(/<link[^>]+href="https?:[^>]*>/g, ''));
      });
    });
    return this;
  }
}

/** Bull Board over all queues. It only shows: what is put right is put right in the ledger, by the admin routes. */
@Injectable()
export class QueueBoard implements OnModuleInit {
  application!: Application;

  constructor(private readonly dispatcher: Dispatcher) {}

  /** Not before: the queues are made by now. */
  onModuleInit(): void {
    const serverAdapter = new OwnFilesAdapter().setBasePath(BOARD_PATH);
    createBullBoard({
      queues: this.dispatcher.all().map((queue) => new BullAdapter(queue, { readOnlyMode: true })),
      serverAdapter,
      options: { uiConfig: { boardTitle: 'Vivavoce queues', hideRedisDetails: true } },
    });
    this.application = serverAdapter.getRouter() as Application;
    this.application.disable('x-powered-by');
  }

  /** Bull keeps a command until Redis is back, however long that takes: who looks at it then would wait as long. */
  get isReachable(): boolean {
    return this.dispatcher.all().every((queue) => queue.client.status === 'ready');
  }
}
