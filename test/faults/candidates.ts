import { setTimeout as delay } from 'node:timers/promises';
import type { Answered, ApiClient } from '../support/api-client.js';
import { Seeded } from '../support/seeded.js';
import { type Stand, heardIn, noise, sha256Of } from '../support/stand.js';

/** Of the second one, audio is kept: it has a stage more. */
const SESSIONS = ['chaos', 'kept'] as const;
/** Questions that are asked in one pair of sessions: each takes answers to so many at most. */
const QUESTIONS = 200;

const sessionOf = (number: number): string => `${SESSIONS[number % 3 === 2 ? 1 : 0]}-${Math.floor(number / QUESTIONS)}`;
const PAUSE_MS = 50;
/** A process writes its log a little later than its answers. */
const LOG_MS = 500;
/** Answers that nobody should get, after which nothing is learnt from asking on. */
const MOST_UNEXPECTED = 100;

/** What a question has to say: what was acknowledged last, or, while that is not acknowledged, what was sent after it. */
export interface Expectation {
  user: ApiClient;
  session: string;
  question: string;
  texts: Set<string>;
}

/** The users of a run: each answers questions without a pause, some again or anew, and tries until each answer is acknowledged. */
export class Candidates {
  readonly expected = new Map<string, Expectation>();
  /** Requests answered with 200, and those that were not, or were cut off; each of these was sent again. */
  acknowledged = 0;
  refused = 0;
  private readonly oddities: Promise<string>[] = [];
  private answering: Promise<unknown> | null = null;
  private going = true;

  private constructor(
    private readonly stand: Stand,
    private readonly users: readonly ApiClient[],
    private readonly seed: number,
  ) {}

  static async arrive(stand: Stand, count: number, seed: number): Promise<Candidates> {
    const users = await Promise.all(Array.from({ length: count }, (_, i) => stand.user(`user-${i}`)));
    return new Candidates(stand, users, seed);
  }

  start(): void {
    this.answering = Promise.all(this.users.map((user, i) => this.answerOn(user, new Seeded(this.seed + 1 + i))));
  }

  /** Resolves when the last answer of each is acknowledged. */
  async finish(): Promise<void> {
    this.going = false;
    await this.answering;
  }

  /** Answers that were neither 200 nor 503, with what the processes logged about them. */
  unexpected(): Promise<string[]> {
    return Promise.all(this.oddities);
  }

  private async answerOn(user: ApiClient, random: Seeded): Promise<void> {
    let audio: Buffer = Buffer.alloc(0);
    for (let i = 0; this.going; i++) {
      if (i % QUESTIONS === 0) await this.begin(user, i);
      const number = i > 3 && random.below(10) === 0 ? random.below(i) : i;
      const session = sessionOf(number);
      const question = `q${number}`;
      const name = `${user.userId}/${session}/${question}/${i}/${this.seed}`;
      if (i > 0 && random.below(10) === 0) {
        const text = `This is what I write about ${name}.`;
        const path = `/api/text-answer/${session}/${question}`;
        await this.say({ user, session, question }, text, () => user.post(path, { text }));
      } else {
        // Now and then they say the same as before: it is neither transcribed nor kept a second time.
        const bytes = random.below(20) === 0 ? 1_500_000 : 3000 + random.below(60_000);
        if (i === 0 || random.below(15) > 0) audio = noise(name, bytes);
        const said = audio;
        const again = random.below(10) === 0;
        for (let times = again ? 2 : 1; times > 0; times--)
          await this.say({ user, session, question }, heardIn(sha256Of(said)), () =>
            user.upload(session, question, said),
          );
      }
      if (random.below(5) === 0) await this.look(user, `/api/sessions/${session}`);
      // It keeps what it was sent, for tests that look at it.
      this.stand.engine.requests.length = 0;
    }
  }

  /** Makes the sessions of the questions from this one on, whoever is away at the moment. */
  private async begin(user: ApiClient, number: number): Promise<void> {
    for (const session of new Set([number, number + 1, number + 2].map(sessionOf))) {
      const make = () => user.createSession(session, { retain_audio: session.startsWith('kept') });
      while (await make().catch(() => 'away')) await delay(PAUSE_MS);
    }
  }

  private async say(to: Omit<Expectation, 'texts'>, text: string, send: () => Promise<Answered>): Promise<void> {
    const key = `${to.user.userId}/${to.session}/${to.question}`;
    const texts = this.expected.get(key)?.texts ?? new Set();
    this.expected.set(key, { ...to, texts: new Set([...texts, text]) });
    for (;;) {
      const answer = await send().catch(() => null);
      if (answer?.status === 200) break;
      this.refused += 1;
      this.note(`${key} answered`, answer);
      await delay(PAUSE_MS);
    }
    this.acknowledged += 1;
    this.expected.set(key, { ...to, texts: new Set([text]) });
  }

  private async look(user: ApiClient, path: string): Promise<void> {
    this.note(`GET ${path} of ${user.userId}`, await user.get(path).catch(() => null));
  }

  private note(request: string, answer: Answered | null): void {
    if (!answer || answer.status === 200 || answer.status === 503) return;
    this.oddities.push(this.explain(request, answer));
    if (this.oddities.length > MOST_UNEXPECTED) throw new Error('There is no end of answers that nobody should get');
  }

  private async explain(request: string, { status, headers, json }: Answered): Promise<string> {
    await delay(LOG_MS);
    const id = String(headers['x-correlation-id']);
    const lines = this.stand.services.flatMap((service) => service.about(id));
    const shown = lines.map((line) => `  ${JSON.stringify(line).slice(0, 3000)}`);
    return [`${request}: ${status} ${JSON.stringify(json)} ${id}`, ...shown].join('\n');
  }
}
