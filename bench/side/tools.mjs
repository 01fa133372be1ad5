import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vivavoce');

/** The MongoDB engine of both sides: MONGO_ENGINE, else secantusd-rs from the cache, else mongod on the PATH. */
export function mongoEngine() {
  const given = process.env.MONGO_ENGINE;
  const secantus = join(CACHE, 'secantus/bin/secantusd-rs');
  const command = given ?? (existsSync(secantus) ? secantus : 'mongod');
  const isSecantus = command.includes('secantusd');
  return {
    command,
    label: isSecantus ? 'secantusd-rs --sync-on-commit' : command,
    args: (port, data) =>
      isSecantus
        ? ['--host', '127.0.0.1', '--port', String(port), '--storage-path', data, '--sync-on-commit']
        : ['--bind_ip', '127.0.0.1', '--port', String(port), '--dbpath', data],
  };
}

/** @returns {string | null} why the rows beside the reference cannot run, null if they can */
export function missingReference() {
  const dir = process.env.REFERENCE_DIR;
  if (!dir) return 'REFERENCE_DIR is not set: the rows beside the reference are skipped';
  if (!existsSync(join(dir, 'refsvc/main.py'))) return `REFERENCE_DIR=${dir} holds no refsvc/main.py`;
  const { python } = reference();
  try {
    execFileSync(python, ['-c', 'import fastapi, uvicorn, pymongo, celery, uvloop, httptools'], { stdio: 'ignore' });
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch (error) {
    return `${error.message.split('\n')[0]}: the rows beside the reference need Go, and a Python with what its README installs (REFERENCE_PYTHON)`;
  }
  return null;
}

export function reference() {
  const dir = process.env.REFERENCE_DIR;
  return { dir, python: process.env.REFERENCE_PYTHON ?? join(dir, 'venv/bin/python') };
}

/** Builds the reference's load tool and its audio files in the cache, once. */
export function loadTool() {
  const { dir } = reference();
  const folder = join(CACHE, 'bench');
  mkdirSync(folder, { recursive: true });
  const binary = join(folder, 'loadgen');
  if (!existsSync(binary)) {
    const env = { ...process.env, GO111MODULE: 'off' };
    execFileSync('go', ['build', '-o', binary, join(dir, 'load/loadgen.go')], { env });
  }
  if (!existsSync(join(folder, 'a45m.webm'))) {
    // The script writes beside itself.
    copyFileSync(join(dir, 'load/make_audio.sh'), join(folder, 'make_audio.sh'));
    execFileSync('bash', [join(folder, 'make_audio.sh')], { stdio: 'inherit' });
  }
  return { binary, audio: (name) => join(folder, name) };
}
