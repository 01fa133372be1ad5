import { getMetadataStorage, type ValidationError as Fault } from 'class-validator';
import type { ValidationIssue } from './app-error.js';
import { TYPE_CONSTRAINTS, wordsFor } from './pydantic-words.js';

type Place = (string | number)[];
type Rule = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];

/** More issues than this help nobody, and each may repeat a part of the body. */
const MOST_ISSUES = 100;

/**
 * What class-validator found, as pydantic v2 would have said it: one issue per field, the type's before any other.
 *
 * @param raw the input before conversion, which the issues quote
 */
export function issuesOf(faults: Fault[], raw: unknown, place: Place): ValidationIssue[] {
  return faults.flatMap((fault) => issuesOfField(fault, raw, place)).slice(0, MOST_ISSUES);
}

function issuesOfField(fault: Fault, parent: unknown, place: Place): ValidationIssue[] {
  const input = ownValue(parent, fault.property);
  const loc = [...place, Array.isArray(parent) ? Number(fault.property) : fault.property];
  if (input === undefined) {
    return [{ type: 'missing', loc, msg: 'Field required', input: quotableParent(parent, place) }];
  }
  const children = fault.children ?? [];
  const all = inOrder(fault);
  // Whether items are alike is asked of items that are right, as pydantic does.
  const areWrong =
    children.length > 0 || all.some(({ rule, name }) => rule?.each === true || name === 'nestedValidation');
  const failed = all.filter(({ name }) => name !== 'arrayUnique' || !areWrong);
  // What should be a list and is none has no items to speak of, nor has a list that is too long.
  const ofItself = failed.find(({ rule, name }) => rule?.each !== true && name !== 'nestedValidation');
  if (ofItself) return [issueOf(ofItself, input, loc)];
  if (children.length > 0) return children.flatMap((child) => issuesOfField(child, input, loc));
  const [first] = failed;
  if (!first) return [];
  if (first.name === 'nestedValidation') {
    // Both the list itself and an item of it may be no object: only for the first is a list what was wanted.
    const wantsList = isEach(fault, first.name) && !Array.isArray(parent);
    return [issueOf({ ...first, args: [wantsList] }, input, loc)];
  }
  if (!Array.isArray(input)) return [issueOf(first, input, loc)];
  return (input as unknown[]).flatMap((item, index) => {
    const broken = failed.find(({ rule }) => rule !== undefined && !holds(rule, item));
    return broken ? [issueOf(broken, item, [...loc, index])] : [];
  });
}

interface Failed {
  name: string;
  rule: Rule | undefined;
  args: unknown[];
  message: string;
}

/** The rules that a field breaks, the ones about its type first. */
function inOrder(fault: Fault): Failed[] {
  const names = Object.keys(fault.constraints ?? {}).reverse();
  const rank = (name: string) => (name === 'isArray' ? 0 : TYPE_CONSTRAINTS.has(name) ? 1 : 2);
  return names
    .sort((a, b) => rank(a) - rank(b))
    .map((name) => {
      const rule = ruleOf(fault, name);
      return { name, rule, args: argumentsOf(rule), message: fault.constraints?.[name] ?? 'is not valid' };
    });
}

function issueOf({ name, args, message }: Failed, input: unknown, loc: Place): ValidationIssue {
  const { type, msg, ctx } = wordsFor(name, args, input, message);
  return { type, loc, msg, input, ...(ctx ? { ctx } : {}) };
}

function ownValue(parent: unknown, property: string): unknown {
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, property)) return undefined;
  return (parent as Record<string, unknown>)[property];
}

/** FastAPI quotes the object that lacks a JSON field, but null for queries and forms (whose objects have no prototype). */
function quotableParent(parent: unknown, place: Place): unknown {
  if (place[0] !== 'body' || typeof parent !== 'object' || parent === null) return null;
  return Object.getPrototypeOf(parent) === null ? null : parent;
}

/** The decorator behind a fault, for its arguments: class-validator's own error only has a sentence. */
function ruleOf(fault: Fault, name: string): Rule | undefined {
  if (!fault.target) return undefined;
  return getMetadataStorage()
    .getTargetValidationMetadatas(fault.target.constructor, '', true, false)
    .find((rule) => rule.propertyName === fault.property && (rule.name ?? rule.type) === name);
}

/** class-validator begins the sentence of a rule with `each` so; for nested objects nothing else tells. */
function isEach(fault: Fault, name: string): boolean {
  return fault.constraints?.[name]?.startsWith('each value') ?? false;
}

function argumentsOf(rule: Rule | undefined): unknown[] {
  return (rule?.constraints as unknown[] | undefined) ?? [];
}

/** Whether one item of a list keeps a rule with `each`; class-validator does not say which do. */
function holds(rule: Rule, item: unknown): boolean {
  const context = { value: item, constraints: argumentsOf(rule), targetName: '', object: {}, property: '' };
  return getMetadataStorage()
    .getTargetValidatorConstraints(rule.constraintCls)
    .every(({ instance }) => instance.validate(item, context) === true);
}
