/** Names that Whisper gives languages where Unicode has another, or no two-letter code of its own. */
const WHISPER_NAMES: Readonly<Record<string, string>> = {
  cantonese: 'zh',
  castilian: 'es',
  flemish: 'nl',
  haitian: 'ht',
  letzeburgesch: 'lb',
  mandarin: 'zh',
  moldavian: 'ro',
  moldovan: 'ro',
  myanmar: 'my',
  nynorsk: 'nn',
  panjabi: 'pa',
  pushto: 'ps',
  sinhalese: 'si',
  tagalog: 'tl',
  valencian: 'ca',
};

const plain = (name: string) => name.normalize('NFD').replace(/\p{M}/gu, '').trim().toLowerCase();

let names: Map<string, string> | null = null;

function codesByName(): Map<string, string> {
  const english = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' });
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  const known = codes.flatMap((code): [string, string][] => {
    const name = english.of(code);
    return name ? [[plain(name), code]] : [];
  });
  return new Map([...known, ...Object.entries(WHISPER_NAMES)]);
}

/** ISO 639-1 code of a language as an engine names it: "english", "English", "en" and "en-US" are all "en"; null if unknown. */
export function languageCode(said: unknown): string | null {
  if (typeof said !== 'string') return null;
  const name = plain(said);
  const tag = /^([a-z]{2})(?:[-_].*)?$/.exec(name)?.[1];
  if (tag) return tag === 'jw' ? 'jv' : tag;
  names ??= codesByName();
  return names.get(name) ?? null;
}
