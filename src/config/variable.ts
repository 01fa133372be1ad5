import { mongo } from 'mongoose';

/** One environment variable: how its text becomes a value. `parse` throws a `RangeError` that says what is wanted, never what was given. */
export interface Variable<T> {
  readonly parse: (text: string) => T;
  readonly fallback: T;
  /** Its unit, or what values it takes, for the documents. */
  readonly unit: string;
  readonly about: string;
  /** Other names it is read from, in order. */
  readonly aliases: readonly string[];
  /** A secret is never shown, not even its default. */
  readonly secret: boolean;
}

interface Options {
  aliases?: string[];
  secret?: boolean;
}

function variable<T>(
  parse: (text: string) => T,
  fallback: T,
  unit: string,
  about: string,
  options: Options = {},
): Variable<T> {
  return { parse, fallback, unit, about, aliases: options.aliases ?? [], secret: options.secret ?? false };
}

function numeric(text: string, min: number, max: number, whole: boolean): number {
  const value = Number(text);
  if (!Number.isFinite(value) || (whole && !Number.isInteger(value)) || value < min || value > max) {
    throw new RangeError(`must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
  }
  return value;
}

export const int = (fallback: number, min: number, max: number, unit: string, about: string): Variable<number> =>
  variable((text) => numeric(text, min, max, true), fallback, unit, about);

export const number = (fallback: number, min: number, max: number, unit: string, about: string): Variable<number> =>
  variable((text) => numeric(text, min, max, false), fallback, unit, about);

export const text = (fallback: string, about: string, options?: Options): Variable<string> =>
  variable((value) => value, fallback, 'text', about, options);

export const optional = (about: string, options?: Options): Variable<string | null> =>
  variable<string | null>((value) => value, null, 'text', about, options);

export const optionalInt = (min: number, max: number, unit: string, about: string): Variable<number | null> =>
  variable<number | null>((value) => numeric(value, min, max, true), null, unit, about);

export const flag = (fallback: boolean, about: string): Variable<boolean> =>
  variable(
    (value) => {
      if (/^(1|true|yes|on)$/i.test(value)) return true;
      if (/^(0|false|no|off)$/i.test(value)) return false;
      throw new RangeError('must be true or false');
    },
    fallback,
    'true or false',
    about,
  );

export const oneOf = <T extends string>(fallback: T, values: readonly T[], about: string): Variable<T> =>
  variable(
    (value) => {
      if (!values.includes(value as T)) throw new RangeError(`must be one of ${values.join(', ')}`);
      return value as T;
    },
    fallback,
    values.join(', '),
    about,
  );

/** Text of a form, `wanted` in words. */
export const like = (fallback: string, form: RegExp, wanted: string, about: string): Variable<string> =>
  variable(
    (value) => {
      if (!form.test(value)) throw new RangeError(`must be ${wanted}`);
      return value;
    },
    fallback,
    'text',
    about,
  );

/** Origins as browsers send them: scheme, host and port. */
export const origins = (about: string): Variable<string[]> =>
  variable(
    (value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter(Boolean)
        .map((item) => {
          // What pages of a file, or of a sandbox, send.
          if (item === '*' || item === 'null') return item;
          const { protocol = '', host = '', href = '' } = URL.canParse(item) ? new URL(item) : {};
          // Not its `origin`: to apps' own schemes, such as capacitor://localhost, the standard gives none, and their pages do.
          const origin = `${protocol}//${host}`;
          if (host === '' || href.replace(/\/$/, '') !== origin)
            throw new RangeError('must be * or origins such as https://app.example.com, without a path');
          return origin;
        }),
    [],
    'comma-separated',
    about,
  );

/** A list of seconds, such as `5,300`. */
export const seconds = (fallback: number[], about: string): Variable<number[]> =>
  variable(
    (value) => value.split(',').map((item) => numeric(item.trim() || 'none', 0, 604_800, false)),
    fallback,
    'comma-separated s',
    about,
  );

export const url = (protocols: string[], about: string, options?: Options): Variable<string | null> =>
  variable<string | null>(
    (value) => {
      const wanted = `must be a URL that starts with ${protocols.map((p) => `${p}://`).join(' or ')}`;
      const match = /^([a-z][a-z0-9+]*):\/\/\S+$/.exec(value);
      if (!match || !protocols.includes(match[1] ?? '')) throw new RangeError(wanted);
      if (!isUsable(value)) throw new RangeError(`${wanted}, with / # @ : % of a password percent-encoded`);
      return value;
    },
    null,
    protocols.map((p) => `${p}://…`).join(', '),
    about,
    options,
  );

/** A replica set's list of hosts is no URL to the WHATWG parser: MongoDB's own reads it, and connects to nothing. */
function isUsable(value: string): boolean {
  if (!value.startsWith('mongodb')) return URL.canParse(value);
  try {
    new mongo.MongoClient(value);
    return true;
  } catch {
    return false;
  }
}
