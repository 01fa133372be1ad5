import fc from 'fast-check';
import { jsonFault } from './json-fault.js';

/** What Python 3.12 said of each: `json.loads(text)`, the error's `msg` and `pos`. */
const SAID_BY_PYTHON: [text: string, words: string, at: number][] = [
  ['', 'Expecting value', 0],
  ['  ', 'Expecting value', 2],
  ['abc', 'Expecting value', 0],
  ['{"a": ', 'Expecting value', 6],
  ['{"a": }', 'Expecting value', 6],
  ['{"a": tru}', 'Expecting value', 6],
  ['{"a": 1,}', 'Expecting property name enclosed in double quotes', 8],
  ["{'a': 1}", 'Expecting property name enclosed in double quotes', 1],
  ['{', 'Expecting property name enclosed in double quotes', 1],
  ['{"a" 1}', "Expecting ':' delimiter", 5],
  ['{"a": 1 "b"', "Expecting ',' delimiter", 8],
  ['{"a": 01}', "Expecting ',' delimiter", 7],
  ['[1,2', "Expecting ',' delimiter", 4],
  ['[1,]', 'Expecting value', 3],
  ['[', 'Expecting value', 1],
  ['[-]', 'Expecting value', 1],
  ['[1.]', "Expecting ',' delimiter", 2],
  ['{} x', 'Extra data', 3],
  ['[[1], {"a": []}]]', 'Extra data', 16],
  ['{"a": "\n"}', 'Invalid control character at', 7],
  ['{"a": "\\x"}', 'Invalid \\escape', 7],
  ['{"a": "\\u12G4"}', 'Invalid \\uXXXX escape', 8],
  ['{"a": "\\u12', 'Invalid \\uXXXX escape', 8],
  ['{"a": "x', 'Unterminated string starting at', 6],
  ['{"a": "x\\', 'Unterminated string starting at', 6],
  ['{"😀": "😀" x}', "Expecting ',' delimiter", 10],
];

describe('what is wrong with a text that is no JSON', () => {
  it.each(SAID_BY_PYTHON)('%j: %s at %i', (text, words, at) => {
    expect(jsonFault(text)).toEqual({ words, at });
  });

  it('is found wherever JSON.parse fails, and nowhere else', () => {
    const broken = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '\\', '}', ']', ':', '0', '\n', 'x'));
    fc.assert(
      fc.property(broken, ([json, place, change]) => {
        const at = place % (json.length + 1);
        const text = json.slice(0, at) + change + json.slice(at + 1);
        expect(jsonFault(text) === null).toBe(isJson(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('is found however deep it lies', () => {
    expect(jsonFault('['.repeat(500_000))).toEqual({ words: 'Expecting value', at: 500_000 });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
