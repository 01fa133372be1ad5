import { type StageName, TIME_OF } from './upload.schema.js';

/** The path of a stage's field in a row. */
export const stagePath = (stage: StageName, field: string): string => `stages.${stage}.${field}`;

/**
 * The conditions of a filter for rows whose stage is in a state, at any time. The time is there for its index: MongoDB takes one that
 * is partial only where its key is asked for.
 */
export const stageIn = (stage: StageName, state: keyof typeof TIME_OF) => ({
  [stagePath(stage, 'state')]: state,
  [stagePath(stage, TIME_OF[state])]: { $gt: new Date(0) },
});
