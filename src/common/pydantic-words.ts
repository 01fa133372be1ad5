import type { ValidationIssue } from './app-error.js';

/** What an issue is called and said in pydantic v2: https://docs.pydantic.dev/latest/errors/validation_errors/ */
export interface IssueWords {
  type: string;
  msg: string;
  ctx?: Record<string, unknown>;
}

/** Constraints about the type of a value: where one fails, the others have nothing to say. */
export const TYPE_CONSTRAINTS = new Set([
  'isString',
  'isInt',
  'isNumber',
  'isBoolean',
  'isArray',
  'isObject',
  'nestedValidation',
]);

type Words = (args: unknown[], input: unknown, message: string) => IssueWords;

const plural = (count: unknown, word: string) => `${String(count)} ${word}${count === 1 ? '' : 's'}`;
const isText = (value: unknown): value is string => typeof value === 'string';
const STRING_TYPE: IssueWords = { type: 'string_type', msg: 'Input should be a valid string' };

const tooShort = (least: unknown): IssueWords => ({
  type: 'string_too_short',
  msg: `String should have at least ${plural(least, 'character')}`,
  ctx: { min_length: least },
});
const tooLong = (most: unknown): IssueWords => ({
  type: 'string_too_long',
  msg: `String should have at most ${plural(most, 'character')}`,
  ctx: { max_length: most },
});
const pattern = (source: string): IssueWords => ({
  type: 'string_pattern_mismatch',
  msg: `String should match pattern '${source}'`,
  ctx: { pattern: source },
});
const valueError = (message: string): IssueWords => ({
  type: 'value_error',
  msg: `Value error, ${message}`,
  ctx: { error: {} },
});
const listSize = (type: 'too_long' | 'too_short', limit: unknown, input: unknown): IssueWords => {
  const actual = Array.isArray(input) ? input.length : 0;
  const [bound, key] = type === 'too_long' ? ['at most', 'max_length'] : ['at least', 'min_length'];
  return {
    type,
    msg: `List should have ${bound} ${plural(limit, 'item')} after validation, not ${actual}`,
    ctx: { field_type: 'List', [key]: limit, actual_length: actual },
  };
};
const oneOf = (type: 'enum' | 'literal_error', values: unknown): IssueWords => {
  const names = (Array.isArray(values) ? values : []).map((value) => (isText(value) ? `'${value}'` : String(value)));
  const last = names.pop() ?? '';
  const expected = names.length > 0 ? `${names.join(', ')} or ${last}` : last;
  return { type, msg: `Input should be ${expected}`, ctx: { expected } };
};

const WORDS: Record<string, Words> = {
  isString: () => STRING_TYPE,
  isNotEmpty: (_args, input) => (input === '' ? tooShort(1) : STRING_TYPE),
  isLength: ([least, most], input) => (isText(input) && input.length < Number(least) ? tooShort(least) : tooLong(most)),
  minLength: ([least]) => tooShort(least),
  maxLength: ([most]) => tooLong(most),
  matches: ([expression]) => pattern(expression instanceof RegExp ? expression.source : String(expression)),
  isMongoId: () => pattern('^[0-9a-fA-F]{24}$'),
  isUuid: () => ({ type: 'uuid_parsing', msg: 'Input should be a valid UUID' }),
  isUrl: () => ({ type: 'url_parsing', msg: 'Input should be a valid URL' }),
  isInt: (_args, input) => {
    if (isText(input)) {
      return { type: 'int_parsing', msg: 'Input should be a valid integer, unable to parse string as an integer' };
    }
    if (typeof input === 'number' && !Number.isInteger(input)) {
      return {
        type: 'int_from_float',
        msg: 'Input should be a valid integer, got a number with a fractional part',
      };
    }
    return { type: 'int_type', msg: 'Input should be a valid integer' };
  },
  isNumber: (_args, input) =>
    isText(input)
      ? { type: 'float_parsing', msg: 'Input should be a valid number, unable to parse string as a number' }
      : { type: 'float_type', msg: 'Input should be a valid number' },
  isBoolean: (_args, input) =>
    isText(input) || typeof input === 'number'
      ? { type: 'bool_parsing', msg: 'Input should be a valid boolean, unable to interpret input' }
      : { type: 'bool_type', msg: 'Input should be a valid boolean' },
  min: ([limit]) => ({
    type: 'greater_than_equal',
    msg: `Input should be greater than or equal to ${String(limit)}`,
    ctx: { ge: limit },
  }),
  max: ([limit]) => ({
    type: 'less_than_equal',
    msg: `Input should be less than or equal to ${String(limit)}`,
    ctx: { le: limit },
  }),
  isPositive: () => ({ type: 'greater_than', msg: 'Input should be greater than 0', ctx: { gt: 0 } }),
  isEnum: ([, values]) => oneOf('enum', values),
  isIn: ([values]) => oneOf('literal_error', values),
  isArray: () => ({ type: 'list_type', msg: 'Input should be a valid list' }),
  isObject: () => ({ type: 'dict_type', msg: 'Input should be a valid dictionary' }),
  nestedValidation: ([ofList]) =>
    ofList
      ? { type: 'list_type', msg: 'Input should be a valid list' }
      : {
          type: 'model_attributes_type',
          msg: 'Input should be a valid dictionary or object to extract fields from',
        },
  arrayMaxSize: ([limit], input) => listSize('too_long', limit, input),
  arrayMinSize: ([limit], input) => listSize('too_short', limit, input),
  arrayNotEmpty: (_args, input) => listSize('too_short', 1, input),
  isDate: () => ({ type: 'datetime_parsing', msg: 'Input should be a valid datetime' }),
  isDateString: () => ({ type: 'datetime_parsing', msg: 'Input should be a valid datetime' }),
  isIso8601: () => ({ type: 'datetime_parsing', msg: 'Input should be a valid datetime' }),
};

/** The words for a failed class-validator constraint; one without an equivalent is a `value_error` with its own sentence. */
export function wordsFor(constraint: string, args: unknown[], input: unknown, message: string): IssueWords {
  return WORDS[constraint]?.(args, input, message) ?? valueError(message);
}

/** A text that does not match. */
export function patternIssue(loc: ValidationIssue['loc'], { source }: RegExp, input: unknown): ValidationIssue {
  return { ...pattern(source), loc, input };
}

/** What no rule of pydantic's says: a sentence of ours, without a capital and a full stop. */
export function valueIssue(loc: ValidationIssue['loc'], sentence: string, input: unknown): ValidationIssue {
  return { ...valueError(sentence), loc, input };
}
