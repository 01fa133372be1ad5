/** In a filter: the field holds a mark, which is a string and never empty. By `$exists` not every engine finds it in a sparse index. */
export const MARKED = { $gt: '' } as const;
