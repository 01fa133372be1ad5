import { ValidationError } from './app-error.js';

/**
 * The id that a list's cursor names: rows older than it come next.
 *
 * @throws ValidationError when the cursor was not made by us
 */
export function cursorId(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  if (!/^[0-9a-f]{24}$/.test(cursor))
    throw ValidationError.at(
      ['query', 'cursor'],
      'value_error',
      'Value error, this is not a cursor of this list',
      cursor,
    );
  return cursor;
}
