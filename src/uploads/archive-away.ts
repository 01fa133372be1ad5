import { AppError } from '../common/app-error.js';

/** Whether an error, as `Archives.translated` gives it, says that the archive cannot be reached: whoever comes next would only wait too. */
export const isArchiveAway = (error: unknown): boolean => error instanceof AppError && error.code === 'archive_away';
