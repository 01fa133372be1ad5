import { Injectable } from '@nestjs/common';
import { AppError, ValidationError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import type { EventType } from '../events/owed.js';
import { ReceiverClient } from './receiver.client.js';
import type { WebhookScope } from './webhook.schema.js';

/** What a webhook may be. */
@Injectable()
export class WebhookRules {
  constructor(
    private readonly client: ReceiverClient,
    private readonly config: Config,
  ) {}

  /**
   * @returns the URL as it will be asked for
   * @throws ValidationError that says what is against it
   */
  async url(text: string): Promise<string> {
    const refuse = (why: string) => ValidationError.at(['body', 'url'], 'value_error', `Value error, ${why}`, text);
    if (!URL.canParse(text)) {
      throw ValidationError.at(['body', 'url'], 'url_parsing', 'Input should be a valid URL', text);
    }
    const url = new URL(text);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw refuse('the URL must begin with https:// or http://');
    if (url.protocol === 'http:' && this.config.NODE_ENV === 'production' && !this.config.WEBHOOK_ALLOW_PRIVATE)
      throw refuse('the URL must begin with https://');
    if (url.username || url.password) throw refuse('the URL must not hold a user name or password');
    if (url.hash) throw refuse('the URL must not hold a fragment');
    try {
      await this.client.check(url.hostname);
    } catch (error) {
      throw error instanceof AppError ? refuse(`${lowerFirst(error.message)}`) : error;
    }
    return url.href;
  }

  /** @throws ValidationError */
  events(events: EventType[], scope: WebhookScope): void {
    const index = scope === 'global' ? -1 : events.findIndex((type) => type.startsWith('alert.'));
    if (index === -1) return;
    const why = 'Value error, alerts go to global webhooks alone';
    throw ValidationError.at(['body', 'events', index], 'value_error', why, events[index]);
  }
}

const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1);
