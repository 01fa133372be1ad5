import { languageCode } from './openai-language.js';

it.each([
  ['english', 'en'],
  ['German', 'de'],
  ['en', 'en'],
  ['pt-BR', 'pt'],
  ['chinese', 'zh'],
  ['castilian', 'es'],
  ['maori', 'mi'],
  ['tagalog', 'tl'],
  ['haitian creole', 'ht'],
  ['norwegian', 'no'],
  ['jw', 'jv'],
])('takes %s for %s', (said, code) => expect(languageCode(said)).toBe(code));

it.each(['klingon', '', null, undefined, 7])('does not know %j', (said) => expect(languageCode(said)).toBeNull());
