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
  /** Kept audio that no row refers to, references to what is not there whole, and archived bytes that nothing names. */
  kept: string[];
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
  kept_id?: { toHexString(): string };
  kept_state?: string;
  stages: Record<string, { state: string }>;
}

interface FileRow {
  _id: { toHexString(): string };
  length: number;
}

interface KeptRow {
  _id: { toHexString(): string };
  state: string;
  store: string;
  key: string | null;
  size: number;
}

interface SessionRow {
  session_id: string;
  answers: Record<string, { upload_id: string }>;
}

/** Compares ledger, GridFS, archive and sessions. Right only while nothing is under way. */
export async function findOrphans(database: Database): Promise<Orphans> {
  const orphans: Orphans = { uploading: [], bytes: [], waiting: [], links: [], kept: [] };
  const rows = (await database.collection('uploads').find().toArray()) as unknown as Row[];
  const { lengths, stored } = await bytesIn(database, 'fs');

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
  orphans.kept.push(...(await strayKeptAudio(database, rows)));
  return orphans;
}

/** What a bucket has: the length that each file says, and the bytes of its chunks. */
async function bytesIn(database: Database, bucket: string) {
  const files = (await database.collection(`${bucket}.files`).find().toArray()) as unknown as FileRow[];
  const lengths = new Map(files.map((file) => [file._id.toHexString(), file.length]));
  const stored = new Map<string, number>();
  const projection = { files_id: 1, data: 1 };
  for await (const chunk of database.collection(`${bucket}.chunks`).find({}, { projection, batchSize: 20 })) {
    const id = String(chunk['files_id']);
    stored.set(id, (stored.get(id) ?? 0) + (chunk['data'] as { length(): number }).length());
  }
  return { lengths, stored };
}

async function strayKeptAudio(database: Database, rows: readonly Row[]): Promise<string[]> {
  const kept = (await database.collection('kept_audio').find().toArray()) as unknown as KeptRow[];
  const { lengths, stored } = await bytesIn(database, 'archive');
  const stray: string[] = [];
  const live = new Set<string>();
  const named = new Set<string>();
  for (const { _id, state, store, key, size } of kept) {
    const id = _id.toHexString();
    if (key !== null) named.add(key);
    const isWhole = store !== 'gridfs' || (lengths.get(key ?? '') === size && stored.get(key ?? '') === size);
    if (state === 'live' && isWhole) live.add(id);
    if (!rows.some(({ kept_id, kept_state }) => kept_state === 'kept' && kept_id?.toHexString() === id))
      stray.push(`${id}: ${state}, no row refers to it`);
  }
  for (const { _id, state, kept_id, kept_state, retain_audio, stages } of rows) {
    const isArchived = state === 'committed' && retain_audio && stages['archive']?.state === 'done';
    if (isArchived && (kept_state !== 'kept' || !live.has(kept_id?.toHexString() ?? '')))
      stray.push(`${_id.toHexString()}: archived, but its kept audio is not there whole (${kept_state})`);
    if (state === 'committed' && retain_audio && stages['transcription']?.state === 'done' && !stages['archive'])
      stray.push(`${_id.toHexString()}: transcribed, and not archived`);
  }
  for (const id of new Set([...lengths.keys(), ...stored.keys()]))
    if (!named.has(id)) stray.push(`${id}: archived bytes that nothing names`);
  return stray;
}

/** All of them in one list. */
export const listed = (orphans: Orphans): string[] =>
  Object.entries(orphans).flatMap(([kind, found]) => (found as string[]).map((entry) => `${kind}: ${entry}`));
