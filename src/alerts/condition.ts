export type Severity = 'warning' | 'critical';

/** What was found of one thing that is watched. */
export interface Condition {
  /** Unique; the part before the colon says what it is, the rest of what. */
  id: string;
  severity: Severity;
  /** One sentence for a person. */
  summary: string;
  value: number;
  threshold: number;
  /** Beyond the threshold. */
  holds: boolean;
  /** For how long it must hold before it is told of. */
  forS: number;
}
