import type mongoose from 'mongoose';

type Database = NonNullable<mongoose.Connection['db']>;

/** What must be empty once everything has come to rest; each entry names the thing and says what is wrong with it. */
export interface Orphans {
  /** Uploads that nobody sends any more, and nobody gave up. */
  uploading: string[];
  /** Stored bytes that no row wants. */
  bytes: string[];
  /** Rows that wait for bytes that are not all there. */
  waiting: string[];
  /** Answers without their row, and rows that count without their answer. */
  links: string[];
}

interface Row {
  _id: { toHexString(): string };
  state: string;
  audio_state: string;
  file_id: { toHexString(): string } | null;
  size?: number;
  session_id: string;
  question_id: string;
  retain_audio: boolean;
  stages: Record<string, { state: string }>;
}

interface FileRow {
  _id: { toHexString(): string };
  length: number;
}

interface SessionRow {
  session_id: string;
  answers: Record<string, { upload_id: string }>;
}

/** Compares ledger, GridFS and sessions. Right only while nothing is under way. */
export async function findOrphans(database: Database): Promise<Orphans> {
  const orphans: Orphans = { uploading: [], bytes: [], waiting: [], links: [] };
  const rows = (await database.collection('uploads').find().toArray()) as unknown as Row[];
  const files = (await database.collection('fs.files').find().toArray()) as unknown as FileRow[];
  const lengths = new Map(files.map((file) => [file._id.toHexString(), file.length]));
  const stored = new Map<string, number>();
  const chunks = database.collection('fs.chunks').find({}, { projection: { files_id: 1, data: 1 }, batchSize: 20 });
  for await (const chunk of chunks) {
    const id = String(chunk['files_id']);
    stored.set(id, (stored.get(id) ?? 0) + (chunk['data'] as { length(): number }).length());
  }

  const wanted = new Set<string>();
  for (const row of rows) {
    const id = row._id.toHexString();
    if (row.state === 'uploading') orphans.uploading.push(id);
    const fileId = row.file_id?.toHexString();
    if (row.state !== 'committed' || row.audio_state !== 'stored' || !fileId) continue;
    const stage = row.stages['transcription']?.state ?? 'none';
    if (stage === 'done' && !row.retain_audio) continue;
    wanted.add(fileId);
    if (lengths.get(fileId) !== row.size || stored.get(fileId) !== row.size)
      orphans.waiting.push(`${id}: ${row.size} bytes, ${stored.get(fileId)} in chunks (transcription ${stage})`);
  }
  const states = new Map(rows.map((row) => [row.file_id?.toHexString(), row]));
  for (const id of new Set([...lengths.keys(), ...stored.keys()])) {
    if (wanted.has(id)) continue;
    const row = states.get(id);
    const why = row ? `its row ${row._id.toHexString()} is ${row.state}, audio ${row.audio_state}` : 'it has no row';
    orphans.bytes.push(`${id}: ${lengths.has(id) ? 'file' : 'chunks only'}, ${why}`);
  }

  const committed = new Map(rows.filter(({ state }) => state === 'committed').map((r) => [r._id.toHexString(), r]));
  const sessions = database.collection('interview_sessions').find();
  for await (const session of sessions as unknown as AsyncIterable<SessionRow>) {
    for (const [question, { upload_id }] of Object.entries(session.answers)) {
      if (!committed.delete(upload_id))
        orphans.links.push(`${session.session_id}/${question}: no committed row ${upload_id}`);
    }
  }
  for (const row of committed.values())
    orphans.links.push(`${row._id.toHexString()}: ${row.session_id}/${row.question_id} does not refer to it`);
  return orphans;
}

/** All of them in one list. */
export const listed = (orphans: Orphans): string[] =>
  Object.entries(orphans).flatMap(([kind, found]) => (found as string[]).map((entry) => `${kind}: ${entry}`));
