#!/usr/bin/env node
import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { tokenCommand, TOKEN_USAGE } from './auth/token.command.js';
import { AppError, expectedWords } from './common/app-error.js';
import { withServices } from './cli.services.js';
import { type Config, ConfigError, loadConfig } from './config/config.js';
import {
  ADOPT_USAGE,
  adoptCommand,
  RECOVER_USAGE,
  REPAIR_USAGE,
  recoverCommand,
  repairCommand,
  VERIFY_USAGE,
  verifyCommand,
} from './recovery/recovery.commands.js';
import type { WithServices } from './recovery/recovery.commands.js';

interface Command {
  usage: string;
  about: string;
  /** Returns what is printed. */
  run(args: string[], config: Config): Promise<string>;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** A command that works on the databases. */
const onServices =
  (command: (args: string[], services: WithServices) => Promise<string>): Command['run'] =>
  (args, config) =>
    command(args, (use) => withServices(config, use));

const commands: Record<string, Command> = {
  token: { usage: TOKEN_USAGE, about: 'prints a token to call the API with', run: tokenCommand },
  verify: {
    usage: VERIFY_USAGE,
    about: 'compares the ledger with the stored bytes, and changes nothing; --deep reads and hashes them all',
    run: onServices(verifyCommand),
  },
  recover: {
    usage: RECOVER_USAGE,
    about:
      'finishes at once what was cut short, quarantines bytes without rows, fails rows whose bytes are gone; --from uploads the files that an older system left in a folder',
    run: onServices(recoverCommand),
  },
  repair: {
    usage: REPAIR_USAGE,
    about: 'puts right what a verification found, by its plan_id; what no row wants goes into quarantine',
    run: onServices(repairCommand),
  },
  adopt: {
    usage: ADOPT_USAGE,
    about: 'takes over sessions and audio that the service before this one wrote into the same database',
    run: onServices(adoptCommand),
  },
};

function help(): string {
  const lines = Object.values(commands).map(({ usage, about }) => `  ${usage}\n      ${about}`);
  return `usage:\n${lines.join('\n')}`;
}

async function main(args: string[]): Promise<number> {
  const [name = '', ...rest] = args;
  if (['', 'help', '--help', '-h'].includes(name)) {
    console.log(help());
    return name === '' ? EXIT_USAGE : 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    console.error(`unknown command: ${name}\n${help()}`);
    return EXIT_USAGE;
  }
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    console.log(await command.run(rest, loadConfig()));
    return 0;
  } catch (error) {
    const badArguments =
      error instanceof TypeError && String((error as { code?: string }).code).startsWith('ERR_PARSE_ARGS');
    const words = error instanceof ConfigError || badArguments ? error.message : expectedWords(error);
    if (words === null) throw error;
    console.error(words);
    return badArguments || (error instanceof AppError && error.code === 'usage') ? EXIT_USAGE : EXIT_FAILED;
  }
}

process.exitCode = await main(process.argv.slice(2));
