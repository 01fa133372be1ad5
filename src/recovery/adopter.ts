import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { newAnswer } from '../answers/answer.projection.js';
import { Log } from '../common/logging.js';
import { isDuplicateKey } from '../common/mongo-errors.js';
import { isNameId } from '../common/name-id.js';
import { Dispatcher } from '../queue/dispatcher.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { sessionKey } from '../sessions/session.schema.js';
import { AudioStore } from '../storage/audio-store.js';
import { Ledger } from '../uploads/ledger.js';
import { STAGES } from '../uploads/upload.schema.js';
import type { Upload } from '../uploads/upload.schema.js';
import { AdoptionReport } from './adoption-report.js';
import { Inventory } from './inventory.js';
import { OldAudioReader } from './old-audio.reader.js';
import { adoptedRow, dateOr, fileIdOf, isDocument, rowId } from './predecessor.js';
import type { AdoptedRow, OldAnswer, OldSession } from './predecessor.js';

/** How often a session is looked at again when somebody changes it at the same time. */
const MOST_PASSES = 5;

/** Files whose sessions come in one read. */
const FILES_TOGETHER = 1000;

interface OldFile {
  file_id: string;
  session_id: string;
  question_id: string;
}

type Identified = OldSession & { user_id: string; session_id: string };

/**
 * Gives sessions and files of the service before this one what this service needs. Each session goes in steps that can be cut
 * short anywhere: rows that do nothing yet, then the session that refers to them, then their stages. Another run goes on there.
 */
@Injectable()
export class Adopter {
  private readonly sessions: mongo.Collection<OldSession>;
  private readonly rows: mongo.Collection<AdoptedRow>;

  constructor(
    repository: SessionRepository,
    private readonly ledger: Ledger,
    private readonly store: AudioStore,
    private readonly audio: OldAudioReader,
    private readonly inventory: Inventory,
    private readonly dispatcher: Dispatcher,
    private readonly log: Log,
  ) {
    this.sessions = repository.sessions as unknown as mongo.Collection<OldSession>;
    this.rows = ledger.rows;
  }

  /** @param dryRun says what would be adopted, and changes nothing */
  async run(dryRun = false): Promise<AdoptionReport> {
    const report = new AdoptionReport(dryRun);
    await this.freeSessionIds(report);
    const waiting = { $or: [{ key: { $exists: false } }, { adopting: { $exists: true } }] } as mongo.Filter<OldSession>;
    const found = this.sessions.find(waiting, { projection: { _id: 1 }, sort: { _id: 1 }, batchSize: 200 });
    for await (const { _id } of found) await this.adoptSession(_id, report);
    await this.filesLeft(report);
    const { sessions, answers, left_count } = report;
    if (!dryRun) this.log.pino.info({ sessions, answers, left: left_count }, 'Sessions adopted');
    return report;
  }

  /** The service before this one knew a session id once; here each user has ids of their own, and such an index would refuse them. */
  private async freeSessionIds(report: AdoptionReport): Promise<void> {
    const indexes = await this.sessions.indexes().catch(() => []);
    const isOld = ({ key, unique }: { key: object; unique?: boolean }) =>
      unique === true && Object.keys(key).join() === 'session_id';
    for (const { name } of indexes.filter(isOld)) {
      if (name === undefined) continue;
      report.dropped_indexes.push(name);
      if (report.dry_run) continue;
      await this.sessions.dropIndex(name);
      this.log.pino.warn({ index: name }, 'Unique index of the service before this one dropped');
    }
  }

  private async adoptSession(_id: mongo.ObjectId, report: AdoptionReport): Promise<void> {
    for (let pass = 1; pass <= MOST_PASSES; pass++) {
      const session = await this.sessions.findOne({ _id });
      if (!session) return;
      if (session.key !== undefined && !session.adopting) {
        // Another run was quicker: what this one had prepared beside its rows goes.
        if (pass > 1) await this.activate(session as Identified);
        return;
      }
      const reason = await this.whyNot(session);
      if (reason) return report.leave({ session_id: String(session.session_id), reason });
      const isNew = session.key === undefined;
      const rows = await this.rowsOf(session as Identified, !report.dry_run);
      if (report.dry_run) return report.count(rows, isNew);
      await this.prepare(rows);
      if (!(await this.refer(session as Identified, rows))) continue;
      report.count(rows, isNew);
      await this.activate(session as Identified);
      // The service before this one may have taken an answer meanwhile.
      const now = await this.sessions.findOne({ _id });
      if (now && unadopted(now).length > 0) continue;
      await this.sessions.updateOne({ _id }, { $unset: { adopting: 1 } });
      return;
    }
    report.leave({
      session_id: _id.toHexString(),
      reason: 'somebody keeps changing it: stop the service before this one',
    });
  }

  private async whyNot({ _id, session_id, user_id, answers }: OldSession): Promise<string | null> {
    if (typeof session_id !== 'string' || !isNameId(session_id)) return 'its session_id is not one';
    if (typeof user_id !== 'string' || user_id === '') return 'it has no user_id';
    if (answers && !isDocument(answers)) return 'its answers are none';
    for (const [question, answer] of Object.entries(answers ?? {})) {
      if (!isNameId(question)) return 'the id of a question in it is not one';
      if (!isDocument(answer)) return `its answer to ${question} is none`;
    }
    const other = await this.sessions.findOne({ key: sessionKey(user_id, session_id), _id: { $ne: _id } });
    return other ? 'the user has a session of that id already' : null;
  }

  /** The rows that are still to be made, complete. */
  private async rowsOf(session: Identified, inFull: boolean): Promise<Upload[]> {
    const rows: Upload[] = [];
    for (const [questionId, answer] of unadopted(session)) {
      const fileId = fileIdOf(answer);
      const audio = fileId && (await this.audio.read(fileId, inFull));
      const row = adoptedRow(session, questionId, answer, audio, new Date());
      const taken = await this.rows.findOne({ _id: row._id });
      const isMine =
        !taken || (taken.adopting && taken.session_id === row.session_id && taken.question_id === questionId);
      rows.push(isMine ? row : { ...row, _id: rowId(session, questionId, answer, false) });
    }
    return rows;
  }

  /** Rows with their stages aside: no worker and no sweep does anything with them. */
  private async prepare(rows: Upload[]): Promise<void> {
    for (const row of rows) {
      const { _id, stages, ...rest } = row;
      const inert = { ...rest, stages: {}, adopting: stages };
      const { matchedCount } = await this.rows.updateOne({ _id, adopting: { $exists: true } }, { $set: inert });
      if (matchedCount > 0) continue;
      await this.rows.insertOne({ _id, ...inert }).catch((error: unknown) => {
        // Another run has made it, and it counts already; then the session is not as this one has read it.
        if (!isDuplicateKey(error)) throw error;
      });
    }
  }

  /** The session refers to its rows, if its answers still are as they were read. */
  private async refer(session: Identified, rows: Upload[]): Promise<boolean> {
    const now = new Date();
    const seen: Record<string, unknown> = { _id: session._id, key: session.key ?? { $exists: false } };
    const key = sessionKey(session.user_id, session.session_id);
    const set: Record<string, unknown> = { key, adopting: true, updated_at: now };
    for (const row of rows) {
      const path = `answers.${row.question_id}`;
      const answer = session.answers?.[row.question_id] ?? {};
      for (const field of ['id', 'gridfs_file_id', 'transcription_status'] as const)
        seen[`${path}.${field}`] = answer[field] ?? null;
      set[path] = newAnswer(row);
    }
    if (session.key === undefined) Object.assign(set, fieldsOf(session, now));
    if (!session.answers) set['answers'] = {};
    const { matchedCount } = await this.sessions.updateOne(seen, {
      $set: set as Partial<OldSession>,
      $inc: { rev: 1 },
    });
    return matchedCount === 1;
  }

  /** The rows that the session refers to begin to count; those that it does not are dropped. */
  private async activate({ _id, user_id, session_id }: Identified): Promise<void> {
    const session = await this.sessions.findOne({ _id });
    for await (const row of this.rows.find({ user_id, session_id, adopting: { $exists: true } })) {
      const upload_id = row._id.toHexString();
      if (session?.answers?.[row.question_id]?.upload_id !== upload_id && row.state === 'committed') {
        await this.rows.deleteOne({ _id: row._id, state: 'committed', adopting: { $exists: true } });
        continue;
      }
      const { adopting: stages = {} } = row;
      if (row.file_id && row.audio_state === 'stored')
        await this.store.annotate(row.file_id.toHexString(), { upload_id, sha256: row.sha256 });
      // A newer take may have replaced it by now; its stages are no longer wanted then. Nor when another run began with them.
      const inert = { _id: row._id, state: 'committed', adopting: { $exists: true } } as mongo.Filter<Upload>;
      const active = await this.ledger.change(inert, { stages }, ['adopting']);
      if (!active) await this.rows.updateOne({ _id: row._id }, { $unset: { adopting: 1 } });
      else
        for (const stage of STAGES)
          if (stages[stage]?.state === 'due') this.dispatcher.dispatch({ ...row, stages }, stage);
    }
  }

  /** Files of the service before this one that none of its answers names: for people to look at. */
  private async filesLeft(report: AdoptionReport): Promise<void> {
    const foreign = { 'metadata.upload_id': { $exists: false } };
    let files: OldFile[] = [];
    for await (const { _id, metadata = {} } of this.inventory.files.find(foreign, { batchSize: 200 })) {
      const { session_id, question_id } = metadata;
      if (typeof session_id !== 'string' || typeof question_id !== 'string' || !isNameId(question_id)) continue;
      if (files.push({ file_id: _id.toHexString(), session_id, question_id }) < FILES_TOGETHER) continue;
      await this.leaveUnnamed(files, report);
      files = [];
    }
    if (files.length > 0) await this.leaveUnnamed(files, report);
  }

  /** No index begins with a session's id alone: each time that sessions are asked for by it, all of them are gone through. */
  private async leaveUnnamed(files: OldFile[], report: AdoptionReport): Promise<void> {
    const session_id = { $in: [...new Set(files.map((file) => file.session_id))] };
    const answers = Object.fromEntries(files.map(({ question_id }) => [`answers.${question_id}`, 1]));
    const projection = { session_id: 1, ...answers };
    const named = new Set<string>();
    for await (const session of this.sessions.find({ session_id }, { projection, batchSize: 50 }))
      for (const [question_id, answer] of Object.entries(session.answers ?? {})) {
        const file_id = fileIdOf(answer)?.toHexString();
        if (file_id) named.add(placeOf({ file_id, session_id: String(session.session_id), question_id }));
      }
    for (const file of files)
      if (!named.has(placeOf(file))) report.leave({ ...file, reason: 'no answer refers to this file' });
  }
}

const placeOf = ({ file_id, session_id, question_id }: OldFile): string => `${file_id}/${question_id}/${session_id}`;

/** What a session of this service has, and an older one may not have. */
function fieldsOf(session: Identified, now: Date): Partial<OldSession> {
  const dates = Object.values(session.answers ?? {}).map(({ created_at }) => dateOr(created_at, now).getTime());
  return {
    title: session.title ?? null,
    role: session.role ?? null,
    language: session.language ?? null,
    retain_audio: session.retain_audio ?? false,
    questions: session.questions ?? [],
    final_score: session.final_score ?? null,
    analyzed_at: session.analyzed_at ?? null,
    created_at: dateOr(session.created_at, new Date(Math.min(...dates, session._id.getTimestamp().getTime()))),
  };
}

/** Answers that no row feeds yet. */
function unadopted({ answers }: OldSession): [string, OldAnswer][] {
  return Object.entries(answers ?? {}).filter(([, answer]) => (answer as OldAnswer | null)?.upload_id === undefined);
}
