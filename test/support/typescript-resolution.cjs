// Jest loads a global setup as CommonJS and without the module mapper of jest.config.js: './x.js' has to find './x.ts' here too.
const Module = require('node:module');

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  if (/^\.{1,2}\/.*\.js$/.test(request) && parent?.filename?.endsWith('.ts')) {
    return resolve.call(this, request.replace(/\.js$/, '.ts'), parent, ...rest);
  }
  return resolve.call(this, request, parent, ...rest);
};
