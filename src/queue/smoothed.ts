/** Weight of the newest run in the average. */
const NEWEST = 0.2;

/** A moving average of how long runs take. */
export const smoothed = (average: number | null | undefined, newest: number): number =>
  average == null ? newest : average + NEWEST * (newest - average);
