/** Where a text stops being JSON, and why. */
export interface JsonFault {
  /** In characters (code points), as Python counts. */
  at: number;
  words: string;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORD = /null|true|false/y;
const SPACE = /[ \t\n\r]*/y;
// eslint-disable-next-line no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/**
 * What Python's `json` says of a text that `JSON.parse` refused, word for word: clients of FastAPI read it in
 * `ctx.error`. Null if there is nothing wrong with it.
 * https://github.com/python/cpython/blob/3.12/Lib/json/decoder.py
 */
export function jsonFault(text: string): JsonFault | null {
  const fault = new Reader(text).fault();
  return fault && { at: [...text.slice(0, fault.at)].length, words: fault.words };
}

/** Reads value by value with a stack of its own: a text may be nested deeper than calls can be. */
class Reader {
  private at = 0;
  private readonly open: ('{' | '[')[] = [];

  constructor(private readonly text: string) {}

  fault(): JsonFault | null {
    this.take(SPACE);
    for (;;) {
      const fault = this.value() ?? this.afterValue();
      if (fault) return fault;
      if (this.open.length === 0) {
        return this.at < this.text.length ? { at: this.at, words: 'Extra data' } : null;
      }
    }
  }

  /** Reads a value, or the beginning of an object or list up to its first value. */
  private value(): JsonFault | null {
    for (;;) {
      const first = this.text[this.at];
      if (first === '"') return this.string();
      if (first !== '{' && first !== '[') break;
      this.at += 1;
      this.take(SPACE);
      if (this.text[this.at] === (first === '{' ? '}' : ']')) {
        this.at += 1;
        return null;
      }
      this.open.push(first);
      const fault = first === '{' ? this.name() : null;
      if (fault) return fault;
    }
    return this.take(WORD) || this.take(NUMBER) ? null : this.expecting('value');
  }

  /** Closes what ends here, or goes on to the next value. */
  private afterValue(): JsonFault | null {
    for (;;) {
      this.take(SPACE);
      const inside = this.open.at(-1);
      if (inside === undefined) return null;
      const next = this.text[this.at];
      if (next !== ',' && next !== (inside === '{' ? '}' : ']')) return this.expecting("',' delimiter");
      this.at += 1;
      if (next === ',') {
        this.take(SPACE);
        return inside === '{' ? this.name() : null;
      }
      this.open.pop();
    }
  }

  /** Reads a member's name and its colon. */
  private name(): JsonFault | null {
    if (this.text[this.at] !== '"') return this.expecting('property name enclosed in double quotes');
    const fault = this.string();
    if (fault) return fault;
    this.take(SPACE);
    if (this.text[this.at] !== ':') return this.expecting("':' delimiter");
    this.at += 1;
    this.take(SPACE);
    return null;
  }

  private string(): JsonFault | null {
    const start = this.at;
    this.at += 1;
    for (;;) {
      this.take(PLAIN);
      const next = this.text[this.at];
      if (next === '"') {
        this.at += 1;
        return null;
      }
      if (next === undefined || (next === '\\' && this.at + 1 === this.text.length)) {
        return { at: start, words: 'Unterminated string starting at' };
      }
      if (next !== '\\') return { at: this.at, words: 'Invalid control character at' };
      if (!this.take(ESCAPE)) {
        return this.text[this.at + 1] === 'u'
          ? { at: this.at + 1, words: 'Invalid \\uXXXX escape' }
          : { at: this.at, words: 'Invalid \\escape' };
      }
    }
  }

  private expecting(what: string): JsonFault {
    return { at: this.at, words: `Expecting ${what}` };
  }

  /** Moves past what matches here; false if nothing does. */
  private take(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text)) return false;
    this.at = pattern.lastIndex;
    return true;
  }
}
