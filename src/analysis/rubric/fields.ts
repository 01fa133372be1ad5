import { COMPUTING_FIELDS } from './fields.computing.js';
import { PEOPLE_FIELDS } from './fields.people.js';
import { SELF_FIELDS } from './fields.self.js';
import { TRADE_FIELDS } from './fields.trades.js';
import { stemOf } from './words.js';

/** The first terms of a field name it; the rest are what people mention who speak of it. */
const NAMES = 14;

/** Term (a stem, or two joined by `_`) → the semantic fields it belongs to. */
const fieldsByTerm = new Map<string, string[]>();
/** Term → the fields that it names. */
const namedByTerm = new Map<string, Set<string>>();

for (const [field, list] of Object.entries({
  ...PEOPLE_FIELDS,
  ...SELF_FIELDS,
  ...COMPUTING_FIELDS,
  ...TRADE_FIELDS,
})) {
  const terms = [...new Set(list.trim().split(/\s+/).map(termOf))];
  for (const term of terms) fieldsByTerm.set(term, [...(fieldsByTerm.get(term) ?? []), field]);
  for (const term of terms.slice(0, NAMES)) namedByTerm.set(term, new Set(namedByTerm.get(term)).add(field));
}

function termOf(entry: string): string {
  return entry.split('_').map(stemOf).join('_');
}

/** The semantic fields that a stem, or a pair of stems joined by `_`, speaks of. */
export function fieldsOf(term: string): readonly string[] {
  return fieldsByTerm.get(term) ?? [];
}

/** True of a term that names the field, and is not only mentioned with it. */
export function namesField(term: string, field: string): boolean {
  return namedByTerm.get(term)?.has(field) ?? false;
}
