import type { ApiClient } from '../support/api-client.js';
import type { Stand } from '../support/stand.js';
import { until } from '../support/until.js';
import type { WebhookReceiver } from '../support/webhook-receiver.js';
import type { Expectation } from './candidates.js';

/** How long may pass without anything being done; a deletion that was cut short is looked at again after a minute. */
const REST_MS = 90_000;

/** What is wrong once everything has come to rest; all of it is to be empty. */
export interface Verdict {
  /** Acknowledged answers without the right text. */
  lost: string[];
  /** Uploads whose transcription ended well more than once, and questions with two answers that count. */
  doubled: string[];
  /** Transcribed answers whose `answer.completed` never came. */
  untold: string[];
  /** Stages that were given up. */
  failed: string[];
  /** What is there without belonging anywhere, as this test compares it and as the product's own deep verification does. */
  orphans: string[];
}

/** Looks for what got lost, happened twice, or was left over. */
export async function verdictOn(
  stand: Stand,
  expected: Iterable<Expectation>,
  admin: ApiClient,
  receiver: WebhookReceiver,
): Promise<Verdict> {
  const orphans: string[] = [];
  // What does not come to rest is what got lost: it is counted below.
  await restsAtLast(stand).catch((error: Error) => orphans.push(error.message));
  await allTold(stand).catch((error: Error) => orphans.push(error.message));
  if (orphans.length === 0) orphans.push(...(await stand.orphans()), ...(await verified(admin)));
  const { untold, toldTwice } = await tellings(stand, receiver);
  return {
    lost: await lostOf(expected),
    doubled: [...(await doneTwice(stand)), ...toldTwice, ...(await answeredTwice(stand))],
    untold,
    failed: await failedStages(stand),
    orphans,
  };
}

/** A busy machine has a long queue: it is waited for as long as it gets shorter. */
async function restsAtLast(stand: Stand): Promise<void> {
  for (let before = Infinity; ;) {
    try {
      return await stand.rests(REST_MS);
    } catch (error) {
      const now = await stand.underWay();
      if (now >= before) throw error;
      before = now;
    }
  }
}

async function allTold({ database }: Stand): Promise<void> {
  const open = async () => [
    await database.collection('uploads').countDocuments({ events_due: { $exists: true } }),
    await database.collection('webhook_deliveries').countDocuments({ state: { $in: ['due', 'sending'] } }),
  ];
  await until('every event is told', open, (counts) => counts.every((count) => count === 0), REST_MS);
}

async function verified(admin: ApiClient): Promise<string[]> {
  // A command that MongoDB leaves without an answer, as after a cut, is told as 503: whoever asks tries again.
  const ask = () => admin.get('/api/admin/content/verify?deep=true');
  const { status, json } = await until('verify is answered', ask, (answer) => answer.status !== 503, REST_MS);
  if (status !== 200) return [`verify was answered with ${status} ${JSON.stringify(json)}`];
  const categories = ['files_without_records', 'records_without_files', 'hash_mismatches', 'stuck'] as const;
  return categories.flatMap((category) =>
    (json[category] as unknown[]).map((finding) => `verify: ${JSON.stringify(finding)}`),
  );
}

async function lostOf(expected: Iterable<Expectation>): Promise<string[]> {
  const lost: string[] = [];
  for (const { user, session, question, texts } of expected) {
    const { json } = await user.get(`/api/transcription-status/${session}/${question}`);
    if (json.status !== 'completed' || !texts.has(json.transcript))
      lost.push(`${user.userId}/${session}/${question}: ${JSON.stringify(json)}, not ${[...texts].join(' or ')}`);
  }
  return lost;
}

/** By the notes of attempts, which a killed worker may lose. */
async function doneTwice({ database }: Stand): Promise<string[]> {
  const done = database
    .collection('attempts')
    .aggregate([
      { $match: { stage: { $in: ['transcription', 'analysis'] }, outcome: 'done' } },
      { $group: { _id: { upload: '$upload_id', stage: '$stage' }, count: { $sum: 1 } } },
      { $match: { count: { $gt: 1 } } },
    ]);
  return (await done.toArray()).map(({ _id, count }) => `upload ${_id.upload} had ${_id.stage} done ${count} times`);
}

/** Each result that is written owes an event of its own, in the same write: two results are two ids. */
async function tellings(
  { database }: Stand,
  receiver: WebhookReceiver,
): Promise<{ untold: string[]; toldTwice: string[] }> {
  const told = new Map<string, Set<string>>();
  for (const { headers, body } of receiver.received) {
    if (body.type !== 'answer.completed') continue;
    const id = String(body.data.upload_id);
    told.set(id, (told.get(id) ?? new Set()).add(String(headers['webhook-id'])));
  }
  const complete = { state: 'committed', transcribed_at: { $exists: true } };
  const ids = (await database.collection('uploads').distinct('_id', complete)).map(String);
  return {
    untold: ids.filter((id) => !told.has(id)).map((id) => `upload ${id} is complete, and nobody was told`),
    toldTwice: [...told]
      .filter(([, events]) => events.size > 1)
      .map(([id, events]) => `upload ${id} was complete ${events.size} times: ${[...events].join(', ')}`),
  };
}

async function answeredTwice({ database }: Stand): Promise<string[]> {
  const question = { user: '$user_id', session: '$session_id', question: '$question_id' };
  const counted = database
    .collection('uploads')
    .aggregate([
      { $match: { state: 'committed' } },
      { $group: { _id: question, count: { $sum: 1 } } },
      { $match: { count: { $gt: 1 } } },
    ]);
  return (await counted.toArray()).map(({ _id, count }) => `${JSON.stringify(_id)} has ${count} answers that count`);
}

async function failedStages({ database }: Stand): Promise<string[]> {
  const stages = ['transcription', 'analysis', 'archive'];
  const failed = { state: 'committed', $or: stages.map((stage) => ({ [`stages.${stage}.state`]: 'failed' })) };
  const rows = await database.collection('uploads').find(failed).toArray();
  return rows.map(({ _id, stages: all }) => `upload ${String(_id)}: ${JSON.stringify(all)}`);
}
