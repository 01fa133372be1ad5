import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, destination as pinoDestination, pino } from 'pino';
import type { Config } from '../config/config.js';
import { correlationId } from './correlation.js';

/** Fields that never reach a log, wherever they stand in a line: credentials, and what candidates said or wrote. */
const SECRET_FIELDS = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'password',
  'secret',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'jwt',
  'api_key',
  'apikey',
  'x-api-key',
  'key',
  'private_key',
  'transcript',
  'segments',
  'text',
  'model_answer',
]);
/** What Nest says as it puts the application together. */
const STARTUP_CONTEXTS = new Set<unknown>(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer']);
const CENSOR = '[redacted]';
const DEEPEST = 6;
/** Lines are written together: a write for each costs more than making it. A process that ends writes what is left. */
const FLUSH_MS = 50;
const BUFFER_BYTES = 8192;

/** The service's structured log. One JSON object a line; `correlation_id` is added to each. Injectable by its class. */
export class Log {
  readonly pino: Logger;

  /** @param destination where lines go; standard output unless a test listens */
  constructor(config: Pick<Config, 'LOG_LEVEL'>, destination?: DestinationStream) {
    const options = {
      level: config.LOG_LEVEL,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: correlationMixin,
      formatters: {
        level: (level: string) => ({ level }),
        log: (line: Record<string, unknown>) => redacted(line, 0),
      },
      // Taken apart by then, wherever in the line it stood.
      serializers: { err: (fields: unknown) => fields },
    };
    this.pino = pino(options, destination ?? standardOutput());
  }

  /** A logger whose every line has these fields too, such as `{context: 'transcription'}`. */
  child(bindings: Record<string, unknown>): Logger {
    return this.pino.child(redacted(bindings, 0));
  }
}

/** Lets Nest, and code that uses Nest's own `Logger`, write to the structured log: `logger.log('Took it', {upload_id})`. */
export class NestLog implements LoggerService {
  constructor(private readonly target: Log) {}

  log(message: unknown, ...rest: unknown[]): void {
    // A start has a hundred lines of modules and routes, and an operator looks for two of them.
    this.write(STARTUP_CONTEXTS.has(rest.at(-1)) ? 'debug' : 'info', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  private write(level: 'info' | 'error' | 'warn' | 'debug' | 'trace' | 'fatal', message: unknown, rest: unknown[]) {
    if (!this.target.pino.isLevelEnabled(level)) return;
    const line: Record<string, unknown> = {};
    const words: string[] = [];
    // Nest's Logger puts its context last, and for errors the stack before it.
    const context = typeof rest.at(-1) === 'string' ? rest.pop() : undefined;
    for (const part of [message, ...rest]) {
      if (part instanceof Error) line['err'] = part;
      else if (typeof part === 'object' && part !== null) Object.assign(line, part);
      else if (typeof part === 'string' && part.includes('\n    at ')) line['stack'] = part;
      else if (part !== undefined) words.push(typeof part === 'string' ? part : JSON.stringify(part));
    }
    if (context !== undefined) line['context'] = context;
    this.target.pino[level](line, words.join(' ') || undefined);
  }
}

let output: DestinationStream | undefined;

/** Standard output of this process, buffered; one for all logs, so that no line is torn by another's. */
function standardOutput(): DestinationStream {
  if (output) return output;
  const stream = pinoDestination({ dest: 1, sync: false, minLength: BUFFER_BYTES });
  let timer: NodeJS.Timeout | null = null;
  output = {
    write(line: string): void {
      stream.write(line);
      timer ??= setTimeout(() => {
        timer = null;
        stream.flush();
      }, FLUSH_MS).unref();
    },
  };
  return output;
}

function correlationMixin(): { correlation_id?: string } {
  const id = correlationId();
  return id === undefined ? {} : { correlation_id: id };
}

/** A copy without the values of secret fields. */
function redacted(value: Record<string, unknown>, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    copy[name] = SECRET_FIELDS.has(name.toLowerCase()) ? CENSOR : redactedField(field, depth + 1);
  }
  return copy;
}

function redactedField(field: unknown, depth: number): unknown {
  if (typeof field !== 'object' || field === null) return field;
  if (depth > DEEPEST) return '[nested too deep]';
  if (field instanceof Error) return errorFields(field, depth);
  if (Array.isArray(field)) return field.map((item) => redactedField(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(field);
  if (prototype !== Object.prototype && prototype !== null) return field;
  return redacted(field as Record<string, unknown>, depth);
}

/** What every error has, and nothing else: a driver's holds the documents that it was about, a client's the request. */
function errorFields(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause, code } = error as Error & { code?: unknown };
  const type = error.constructor.name || name;
  return {
    type,
    message,
    stack,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(cause instanceof Error ? { cause: redactedField(cause, depth + 1) } : {}),
  };
}
