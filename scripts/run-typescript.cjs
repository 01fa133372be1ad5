// node run-typescript.cjs file.ts [argument …]: runs a TypeScript file of this repository in a process of its own, unbuilt.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { join, resolve } = require('node:path');
const { transformSync } = require('@swc/core');
require('../test/support/typescript-resolution.cjs');

const options = JSON.parse(readFileSync(join(__dirname, '../.swcrc'), 'utf8'));

Module._extensions['.ts'] = (module, filename) => {
  const source = readFileSync(filename, 'utf8');
  const { code } = transformSync(source, { ...options, swcrc: false, filename, module: { type: 'commonjs' } });
  module._compile(code, filename);
};

require('reflect-metadata');
process.argv.splice(1, 1);
require(resolve(process.argv[1]));
