/* What the process of an engine and the process that started it say to each other, by structured clone. */

export type ToEngine<Work> = ({ id: number } & Work) | { id: number; kind: 'cancel' };

export type FromEngine<Result> =
  | { kind: 'ready' }
  /** `rss`: resident bytes of the process after the work. */
  | { kind: 'done'; id: number; result: Result; rss: number }
  | { kind: 'failed'; id: number; message: string };
