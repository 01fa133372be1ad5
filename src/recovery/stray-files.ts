import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AnswersService } from '../answers/answers.service.js';
import { AppError } from '../common/app-error.js';
import { Config } from '../config/config.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { InterviewSession } from '../sessions/session.schema.js';
import { ANSWER_THERE } from '../uploads/ledger-errors.js';
import type { StrayNames, StrayTarget } from './stray-names.js';

const HAS_ANOTHER = 'the question has another answer';

export interface StrayReport {
  dry_run: boolean;
  /** Files that were looked at. */
  files: number;
  uploaded: number;
  /** The question has these bytes already. */
  duplicates: number;
  /** Nothing to put them to, or more than one thing, or the question has another answer: left where they are. */
  unmatched: { file: string; reason: string }[];
  /** Not taken: not audio, too large, empty, unreadable. */
  refused: { file: string; reason: string }[];
  /** Named by the map, and not in the folder. */
  missing: string[];
}

export interface StrayOptions {
  folder: string;
  names: StrayNames;
  /** Files that should be there. */
  expected?: ReadonlySet<string>;
  userId: string | null;
  dryRun: boolean;
}

/**
 * Uploads the files of a folder, as an older system left them, to the questions that their names tell. An answer that is there
 * is never replaced, unless it failed. The files stay where they are; another run finds their bytes uploaded.
 */
@Injectable()
export class StrayFiles {
  private readonly maxBytes: number;

  constructor(
    private readonly sessions: SessionRepository,
    private readonly answers: AnswersService,
    config: Config,
  ) {
    this.maxBytes = config.MAX_UPLOAD_MB * 2 ** 20;
  }

  async recover(options: StrayOptions): Promise<StrayReport> {
    const report: StrayReport = {
      dry_run: options.dryRun,
      files: 0,
      uploaded: 0,
      duplicates: 0,
      unmatched: [],
      refused: [],
      missing: [],
    };
    const missing = new Set(options.expected);
    // Questions that a dry run would have given an answer to.
    const taken = new Map<string, string>();
    for await (const path of filesIn(options.folder)) {
      const file = relative(options.folder, path).split(sep).join('/');
      missing.delete(file);
      report.files += 1;
      try {
        await this.one(path, file, options, report, taken);
      } catch (error) {
        const readable = error instanceof AppError || (error as { syscall?: unknown }).syscall !== undefined;
        if (!readable) throw error;
        report.refused.push({ file, reason: (error as Error).message });
      }
    }
    report.missing = [...missing];
    return report;
  }

  private async one(
    path: string,
    file: string,
    { names, userId, dryRun }: StrayOptions,
    report: StrayReport,
    taken: Map<string, string>,
  ): Promise<void> {
    const readings = names(file);
    const leave = (reason: string) => void report.unmatched.push({ file, reason });
    if (readings.length === 0) return leave('its name matches nothing');
    const fitting: { session: InterviewSession; target: StrayTarget }[] = [];
    for (const target of readings) {
      const owner = target.user_id ?? userId;
      const session = owner === null ? null : await this.sessions.find(owner, target.session_id);
      const { questions = [] } = session ?? {};
      const listed = questions.length === 0 || questions.some(({ id }) => id === target.question_id);
      if (session && listed) fitting.push({ session, target });
    }
    const [fit] = fitting;
    if (!fit) return leave('there is no such session, or no such question in it');
    if (fitting.length > 1) return leave('it may belong to several questions');
    const { session, target } = fit;
    const sha256 = await hashOf(path);
    const current = session.answers[target.question_id];
    const place = `${session.key}/${target.question_id}`;
    const there = taken.get(place) ?? (current?.transcription_status === 'failed' ? undefined : current?.sha256);
    if (there === sha256) {
      report.duplicates += 1;
      return;
    }
    if (there !== undefined) return leave(HAS_ANOTHER);
    if (dryRun) taken.set(place, sha256);
    const outcome = dryRun ? 'uploaded' : await this.take(path, session, target.question_id);
    if (outcome === 'left') leave(HAS_ANOTHER);
    else report[outcome] += 1;
  }

  private async take(path: string, session: InterviewSession, questionId: string) {
    const file = { name: basename(path), bytes: createReadStream(path), maxBytes: this.maxBytes };
    try {
      const { duplicate } = await this.answers.takeFile(session, questionId, file);
      return duplicate ? 'duplicates' : 'uploaded';
    } catch (error) {
      if (error instanceof AppError && error.code === ANSWER_THERE.code) return 'left';
      throw error;
    }
  }
}

/** Every file below a folder, in the order of names; hidden ones, links and what is no file are passed over. */
async function* filesIn(folder: string): AsyncGenerator<string> {
  const entries = [];
  for await (const entry of await opendir(folder)) entries.push(entry);
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* filesIn(join(folder, entry.name));
    else if (entry.isFile()) yield join(folder, entry.name);
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
