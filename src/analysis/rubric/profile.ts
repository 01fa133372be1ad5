import { USUAL_FIELDS } from './fields.usual.js';
import type { Topics } from './topics.js';

/** How much a text speaks of each field; as long as a vector, its length is 1 or, where no field is spoken of, 0. */
export type Profile = ReadonlyMap<string, number>;

const usual: Profile = new Map(Object.entries(USUAL_FIELDS));

/** The fields of texts taken together, each text with a weight. */
export function profileOf(...texts: readonly (readonly [Topics, number])[]): Profile {
  const profile = new Map<string, number>();
  for (const [{ terms }, weight] of texts)
    for (const { fields, worth } of terms)
      for (const field of fields) profile.set(field, (profile.get(field) ?? 0) + weight * worth);
  return unit(profile);
}

/**
 * How alike two texts are in what they speak of beyond what every interview answer speaks of: the cosine of their profiles, from -1 to 1,
 * after the part that lies along the usual profile was taken out of both. 0 where one has no field at all.
 */
export function likeness(one: Profile, other: Profile): number {
  return dot(unusual(one), unusual(other));
}

function unusual(profile: Profile): Profile {
  if (profile.size === 0) return profile;
  const along = dot(profile, usual) / dot(usual, usual);
  const rest = new Map(profile);
  for (const [field, share] of usual) rest.set(field, (rest.get(field) ?? 0) - along * share);
  return unit(rest);
}

function unit(profile: Profile): Profile {
  const length = Math.sqrt(dot(profile, profile));
  return length === 0 ? new Map() : new Map([...profile].map(([field, share]) => [field, share / length]));
}

function dot(one: Profile, other: Profile): number {
  let sum = 0;
  for (const [field, share] of one) sum += share * (other.get(field) ?? 0);
  return sum;
}
