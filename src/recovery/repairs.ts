import { Injectable } from '@nestjs/common';
import { mongo } from 'mongoose';
import { Ledger } from '../uploads/ledger.js';
import { UploadTargets } from '../uploads/targets.js';
import type { FileWithoutRecord, Finding, HashMismatch, RecordWithoutFile, Stuck } from './finding.js';
import { LinkVerifier } from './link.verifier.js';
import { AUDIO_ALTERED, LostAudio } from './lost-audio.js';
import { Quarantine } from './quarantine.js';
import { StuckRows } from './stuck-rows.js';
import { Verifier } from './verifier.js';

/**
 * `quarantined`: kept for `QUARANTINE_HOURS`, then deleted if still unwanted. `failed`: the row says that its audio is lost or
 * altered. `finished`: what was cut short went on. `left`: for a person to decide, such as files of another service and audio in
 * the archive, or still stuck, or failed: then the log says why. `unchanged`: nothing is wrong any more, or it was done before.
 */
export type RepairAction = 'quarantined' | 'failed' | 'finished' | 'left' | 'unchanged';

/** What is done about one finding. Each is looked at afresh first: a plan may be days old. Nothing is deleted. */
@Injectable()
export class Repairs {
  constructor(
    private readonly verifier: Verifier,
    private readonly quarantine: Quarantine,
    private readonly lost: LostAudio,
    private readonly stuck: StuckRows,
    private readonly links: LinkVerifier,
    private readonly ledger: Ledger,
    private readonly targets: UploadTargets,
  ) {}

  async act(finding: Finding, dryRun: boolean): Promise<RepairAction> {
    switch (finding.category) {
      case 'files_without_records':
        return this.unwanted(finding, dryRun);
      case 'records_without_files':
        return this.missing(finding, dryRun);
      case 'hash_mismatches':
        return this.altered(finding, dryRun);
      case 'stuck':
        return this.cutShort(finding, dryRun);
    }
  }

  private async unwanted({ file_id, reason, store }: FileWithoutRecord, dryRun: boolean): Promise<RepairAction> {
    if (reason === 'not_ours' || store === 'archive') return 'left';
    for (const now of (await this.verifier.confirm(new mongo.ObjectId(file_id))) ?? []) {
      if (now.category !== 'files_without_records') continue;
      if (now.reason === 'not_ours') return 'left';
      return (await this.quarantine.hold(now, dryRun)) ? 'quarantined' : 'unchanged';
    }
    return 'unchanged';
  }

  private async missing(finding: RecordWithoutFile, dryRun: boolean): Promise<RepairAction> {
    const { upload_id, file_id } = finding;
    const archived = await this.archived(finding);
    if (archived) return archived;
    const now = await this.verifier.confirm(new mongo.ObjectId(file_id));
    const still = now?.some((each) => each.category === 'records_without_files' && each.upload_id === upload_id);
    return still && (await this.lost.close(upload_id, dryRun)) ? 'failed' : 'unchanged';
  }

  private async altered(finding: HashMismatch, dryRun: boolean): Promise<RepairAction> {
    const { upload_id, file_id } = finding;
    const archived = await this.archived(finding);
    if (archived) return archived;
    const id = new mongo.ObjectId(file_id);
    if (!(await this.verifier.isAltered(id, upload_id))) return 'unchanged';
    if (!(await this.lost.close(upload_id, dryRun, AUDIO_ALTERED))) return 'unchanged';
    // No row wants these bytes now; a person may want to look at them.
    const [now] = dryRun ? [] : ((await this.verifier.confirm(id)) ?? []);
    if (now?.category === 'files_without_records') await this.quarantine.hold(now);
    return 'failed';
  }

  /** What becomes of a finding about archived audio, which its row may have given up since; null of one about the landing zone. */
  private async archived({
    store,
    upload_id,
    file_id,
  }: RecordWithoutFile | HashMismatch): Promise<RepairAction | null> {
    if (store === 'landing') return null;
    if ((await this.ledger.find(upload_id))?.kept_state === 'kept') return 'left';
    // Where a plan of an earlier build does not say, what is no ObjectId is no file of the landing zone.
    return store === 'archive' || !mongo.ObjectId.isValid(file_id) ? 'unchanged' : null;
  }

  private async cutShort(finding: Stuck, dryRun: boolean): Promise<RepairAction> {
    if (finding.reason === 'answer_missing') return this.unlinked(finding.upload_id ?? '', dryRun);
    const isStuck = await this.stuck.isStuck(finding);
    // The sweep has just been by.
    if (!dryRun) return isStuck ? 'left' : 'finished';
    if (!isStuck) return 'unchanged';
    // The sweep sees to a job, but only a worker ends the waiting.
    return finding.reason === 'stage_waiting' ? 'left' : 'finished';
  }

  private async unlinked(uploadId: string, dryRun: boolean): Promise<RepairAction> {
    const row = await this.ledger.find(uploadId);
    if (row?.state !== 'committed' || (await this.links.isKnown(row))) return 'unchanged';
    if (dryRun) return 'finished';
    // With the mark that a commit leaves, it goes the way of a request that was cut short.
    if (!(await this.ledger.change({ _id: row._id, state: 'committed' }, { link_due: true }))) return 'unchanged';
    const marked = await this.ledger.find(row._id);
    if (marked) await this.targets.of(marked).link(marked);
    return 'finished';
  }
}
