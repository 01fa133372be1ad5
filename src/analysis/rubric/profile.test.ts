import { likeness, profileOf } from './profile.js';
import { readSentence } from './text.js';
import { topicsOf } from './topics.js';

const profile = (text: string) => profileOf([topicsOf([readSentence(text)]), 1]);

const CUSTOMER = 'The customer was furious about the invoice and wanted a refund.';
const GUEST = 'A guest complained at the reception, so I apologised and offered a voucher.';
const CACHE = 'The cache in memory answers the query before the database has to read its index.';

describe('the likeness of what two texts speak of', () => {
  it('is 1 for the same text, and 0 where one speaks of no field', () => {
    expect(likeness(profile(CACHE), profile(CACHE))).toBeCloseTo(1);
    expect(likeness(profile(CACHE), profile('And so it was.'))).toBe(0);
  });

  it('is higher for the same matter in other words than for another matter', () => {
    expect(likeness(profile(CUSTOMER), profile(GUEST))).toBeGreaterThan(
      likeness(profile(CUSTOMER), profile(CACHE)) + 0.3,
    );
  });

  it('weighs texts that are taken together', () => {
    const [customer, cache] = [CUSTOMER, CACHE].map((text) => topicsOf([readSentence(text)]));
    const mostly = profileOf([customer!, 5], [cache!, 1]);
    expect(likeness(mostly, profile(CUSTOMER))).toBeGreaterThan(likeness(mostly, profile(CACHE)));
  });
});
