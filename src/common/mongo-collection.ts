import type { Connection, mongo } from 'mongoose';

/**
 * The driver's own collection, past mongoose's buffering and casting: for paths where every microsecond counts and for
 * conditional updates, whose filters are written out in full anyway. The connection must be open.
 */
export function nativeCollection<T extends mongo.BSON.Document>(
  connection: Connection,
  name: string,
): mongo.Collection<T> {
  if (!connection.db) throw new Error('The MongoDB connection is not open yet');
  return connection.db.collection<T>(name);
}
