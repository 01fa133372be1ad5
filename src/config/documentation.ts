import type { Variable } from './variable.js';
import { variables } from './variables.js';

const TABLE_START = '<!-- configuration -->';
const TABLE_END = '<!-- /configuration -->';

/** `.env.example`: every variable with its sentence, what it takes and its default, all commented out. */
export function envExample(): string {
  const blocks = entries().map(([name, variable]) =>
    [`# ${sentence(variable)}`, `# Takes: ${variable.unit}. Default: ${shownDefault(variable) || 'unset'}.`]
      .join('\n')
      .concat(`\n# ${name}=${shownDefault(variable)}\n`),
  );
  return `# Settings of Vivavoce, made by scripts/config-docs.mjs from src/config/variables.ts.\n# Copy to .env or set them in the environment.\n\n${blocks.join('\n')}`;
}

/** The same list as a Markdown table. */
export function configurationTable(): string {
  const rows = entries().map(
    ([name, variable]) =>
      `| \`${name}\` | ${shownDefault(variable) ? `\`${shownDefault(variable)}\`` : ''} | ${cell(variable.unit)} | ${cell(sentence(variable))} |`,
  );
  return ['| variable | default | takes | what it does |', '|---|---|---|---|', ...rows].join('\n');
}

/** A document with its table, between the markers, made anew; unchanged when it has no markers. */
export function withConfigurationTable(document: string): string {
  const start = document.indexOf(TABLE_START);
  const end = document.indexOf(TABLE_END);
  if (start === -1 || end < start) return document;
  return `${document.slice(0, start + TABLE_START.length)}\n${configurationTable()}\n${document.slice(end)}`;
}

function entries(): [string, Variable<unknown>][] {
  return Object.entries(variables);
}

function sentence(variable: Variable<unknown>): string {
  return variable.aliases.length === 0
    ? variable.about
    : `${variable.about} Also read: ${variable.aliases.join(', ')}.`;
}

function shownDefault(variable: Variable<unknown>): string {
  const value = variable.fallback;
  if (variable.secret || value === null) return '';
  return Array.isArray(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
