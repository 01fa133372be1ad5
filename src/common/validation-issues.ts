import { getMetadataStorage, type ValidationError as Fault } from 'class-validator';
import type { ValidationIssue } from './app-error.js';
import { type IssueWords, TYPE_CONSTRAINTS, wordsFor } from './pydantic-words.js';

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
  const children = fault.children ?? [];
  if (children.length > 0) return children.flatMap((child) => issuesOfField(child, input, loc));
  if (input === undefined) {
    return [{ type: 'missing', loc, msg: 'Field required', input: quotableParent(parent, place) }];
  }
  const name = firstConstraint(Object.keys(fault.constraints ?? {}));
  if (name === undefined) return [];
  const rule = ruleOf(fault, name);
  // Both the list itself and an item of it may be no object: only for the first is a list what was wanted.
  const args = name === 'nestedValidation' ? [isEach(fault, name) && !Array.isArray(parent)] : argumentsOf(rule);
  const message = fault.constraints?.[name] ?? 'is not valid';
  const items: unknown[] | null = rule?.each === true && Array.isArray(input) ? input : null;
  const failing = rule && items ? failingItems(rule, items) : [];
  if (failing.length === 0) return [issue(wordsFor(name, args, input, message), loc, input)];
  return failing.map((index) => {
    const item = items?.[index];
    return issue(wordsFor(name, args, item, message), [...loc, index], item);
  });
}

function issue(words: IssueWords, loc: Place, input: unknown): ValidationIssue {
  return { type: words.type, loc, msg: words.msg, input, ...(words.ctx ? { ctx: words.ctx } : {}) };
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

function firstConstraint(names: string[]): string | undefined {
  return names.find((name) => TYPE_CONSTRAINTS.has(name)) ?? names.at(-1);
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

/** Which items of a list a rule with `each` does not hold for; class-validator does not say. */
function failingItems(rule: Rule, items: unknown[]): number[] {
  const [constraint] = getMetadataStorage().getTargetValidatorConstraints(rule.constraintCls);
  if (!constraint) return [];
  const context = { value: items, constraints: argumentsOf(rule), targetName: '', object: {}, property: '' };
  return items.flatMap((item, index) => (constraint.instance.validate(item, context) === true ? [] : [index]));
}
