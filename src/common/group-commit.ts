import type { mongo } from 'mongoose';
import { grouped } from './grouped.js';
import { isDuplicateKey, writeFaultsOf } from './mongo-errors.js';
import type { WriteFault } from './mongo-errors.js';

/** A conditional update of one document. */
export interface ConditionalUpdate<T extends mongo.BSON.Document> {
  filter: mongo.Filter<T>;
  update: mongo.UpdateFilter<T>;
  /** Finds the document whatever its state. */
  which: mongo.Filter<T>;
  /** Whether the document, read afterwards, shows that it was this update that was made. */
  shows: (document: T) => boolean;
  /**
   * Names the part of the document that it alone asks about and changes. What comes together for different parts of one document is
   * one write: to write a document costs what the whole of it weighs. Beside its part it may ask and `$set` what all of them do.
   */
  part?: string;
}

/** One or more changes as the server is to make them: all or none. */
interface Write<T extends mongo.BSON.Document> {
  filter: mongo.Filter<T>;
  update: mongo.UpdateFilter<T>;
  parts: Set<string>;
}

/**
 * Writes of one collection, several to a command while there are many: a command costs more than what it writes. Each is as
 * durable, and as conditional, as if it were alone.
 *
 * The driver sends a write again whose answer was cut off, and not every server that was killed meanwhile remembers having made
 * it: what then looks like a lost race is told by the document itself.
 */
export class GroupCommit<T extends mongo.BSON.Document> {
  /**
   * @param document with an `_id` that was made for it: one that is there already is this one
   * @throws what the driver throws for this document; others of its group are written all the same
   */
  readonly insert: (document: mongo.OptionalUnlessRequiredId<T>) => Promise<void>;
  /** @returns false when the filter matched nothing */
  readonly update: (change: ConditionalUpdate<T>) => Promise<boolean>;

  constructor(private readonly collection: mongo.Collection<T>) {
    this.insert = grouped<mongo.OptionalUnlessRequiredId<T>, void>((documents) => this.insertAll(documents));
    this.update = grouped<ConditionalUpdate<T>, boolean>((changes) => this.updateAll(changes));
  }

  private async insertAll(documents: readonly mongo.OptionalUnlessRequiredId<T>[]): Promise<(void | Error)[]> {
    if (documents.length === 1) return [await this.insertAlone(documents[0]!)];
    try {
      await this.collection.insertMany([...documents], { ordered: false });
      return documents.map(() => undefined);
    } catch (error) {
      if (wasNotSent(error)) return eachAlone(documents, (document) => this.insertAlone(document));
      const faults = faultsOf(error);
      if (!faults) throw error;
      const faultOf = async (document: mongo.OptionalUnlessRequiredId<T>, index: number) => {
        const fault = faults.get(index);
        return fault && !(await this.isThere(document, fault)) ? fault : undefined;
      };
      return Promise.all(documents.map(faultOf));
    }
  }

  private async insertAlone(document: mongo.OptionalUnlessRequiredId<T>): Promise<void> {
    try {
      await this.collection.insertOne(document);
    } catch (error) {
      if (!(await this.isThere(document, error))) throw error;
    }
  }

  /** What it collides with may also be another document, by another unique index. */
  private async isThere(document: mongo.OptionalUnlessRequiredId<T>, fault: unknown): Promise<boolean> {
    const same = { _id: document._id as unknown } as mongo.Filter<T>;
    return isDuplicateKey(fault) && (await this.collection.findOne(same)) !== null;
  }

  private async updateAll(changes: readonly ConditionalUpdate<T>[]): Promise<(boolean | Error)[]> {
    const one = async (change: ConditionalUpdate<T>) =>
      (await this.collection.updateOne(change.filter, change.update)).modifiedCount === 1 || this.wasMade(change);
    if (changes.length === 1) return [await one(changes[0]!)];
    const { writes, writeOf } = merged(changes);
    const operations = writes.map(({ filter, update }) => ({ updateOne: { filter, update } }));
    let faults = new Map<number, Error>();
    try {
      const { modifiedCount } = await this.collection.bulkWrite(operations, { ordered: false });
      if (modifiedCount === writes.length) return changes.map(() => true);
    } catch (error) {
      if (wasNotSent(error)) return eachAlone(changes, one);
      const some = faultsOf(error);
      if (!some) throw error;
      faults = some;
    }
    // The server counts only all of them together: who lost is seen in the documents.
    return eachAlone(changes, async (change) => {
      const write = writeOf.get(change)!;
      // One that lost, or is at fault, is not to take with it those that were made one with it.
      if (writes[write]!.parts.size > 1) return one(change);
      const fault = faults.get(write);
      if (fault) throw fault;
      return this.wasMade(change);
    });
  }

  private async wasMade(change: ConditionalUpdate<T>): Promise<boolean> {
    return (await this.made(change)) !== null;
  }

  private async made({ which, shows }: ConditionalUpdate<T>): Promise<mongo.WithId<T> | null> {
    const document = await this.collection.findOne(which);
    return document !== null && shows(document as T) ? document : null;
  }
}

/** What comes for different parts of one document, as one write. */
function merged<T extends mongo.BSON.Document>(changes: readonly ConditionalUpdate<T>[]) {
  const writes: Write<T>[] = [];
  const writeOf = new Map<ConditionalUpdate<T>, number>();
  const open = new Map<string, number>();
  for (const change of changes) {
    const { filter, update, which, part } = change;
    const document = part === undefined ? null : JSON.stringify(which);
    const at = document === null ? undefined : open.get(document);
    const write = at === undefined ? undefined : writes[at];
    if (write && part !== undefined && !write.parts.has(part)) {
      write.parts.add(part);
      write.filter = { ...write.filter, ...filter };
      write.update = bothOf(write.update, update);
      writeOf.set(change, at!);
      continue;
    }
    if (document !== null) open.set(document, writes.length);
    writeOf.set(change, writes.length);
    writes.push({ filter, update, parts: new Set(part === undefined ? [] : [part]) });
  }
  return { writes, writeOf };
}

function bothOf<T>(one: mongo.UpdateFilter<T>, other: mongo.UpdateFilter<T>): mongo.UpdateFilter<T> {
  const counts = { ...one.$inc } as Record<string, number>;
  for (const [field, by] of Object.entries(other.$inc ?? {})) counts[field] = (counts[field] ?? 0) + Number(by);
  return { $set: { ...one.$set, ...other.$set }, $inc: counts } as mongo.UpdateFilter<T>;
}

/** One of the group cannot even be encoded: it is not to take the others with it. */
function wasNotSent(error: unknown): boolean {
  const { name } = error as Error;
  return name === 'BSONError' || name === 'MongoInvalidArgumentError' || error instanceof RangeError;
}

function eachAlone<I, O>(items: readonly I[], run: (item: I) => Promise<O>): Promise<(O | Error)[]> {
  return Promise.all(items.map((item) => run(item).catch((error: unknown) => error as Error)));
}

/** What went wrong with single writes of a group, by their places; null when something went wrong with all of it. */
function faultsOf(error: unknown): Map<number, Error> | null {
  const faults = writeFaultsOf(error);
  if (!faults) return null;
  const errorOf = ({ code, errmsg }: WriteFault) =>
    Object.assign(new Error(errmsg ?? 'The write failed'), { name: 'MongoServerError', code });
  return new Map(faults.map((fault) => [fault.index, errorOf(fault)]));
}
