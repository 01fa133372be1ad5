// Jest gives each test file a realm (a context of node:vm) of its own, and so loads the 3000 files of our packages anew for each of
// them: 6 s of a processor's time, more than most of them take to run. Here the test files of a process share its realm, and with it
// the packages, which Node loads as it does for the built service. What is ours, in src/ and test/, is loaded anew for each test file.
//
// It overrides methods by which jest's runner asks for modules. Were they to change in a new version of jest, jest's own would run
// into the environment's missing context (see environment.cjs), and every test file would fail.
const { dirname } = require('node:path');
const { pathToFileURL } = require('node:url');
const { SourceTextModule, SyntheticModule } = require('node:vm');
const Runtime = require('jest-runtime').default;

const AS_ESM = {
  isInternalModule: false,
  supportsDynamicImport: true,
  supportsExportNamespaceFrom: true,
  supportsStaticESM: true,
  supportsTopLevelAwait: true,
};

/** By specifier: what test files of this process have imported that is not ours. */
const packages = new Map();

class OneRealmRuntime extends Runtime {
  #resolver;
  #transformer;
  #sourceMaps = new Map();
  /** Of this test file, by path: promises of our modules. */
  #modules = new Map();
  #mocks = new Map();
  /** Linking takes a whole graph, and two at once would meet in the same modules. */
  #linked = Promise.resolve();
  #isTornDown = false;

  constructor(...given) {
    if (!SourceTextModule) throw new Error('Tests are modules: run jest with NODE_OPTIONS=--experimental-vm-modules');
    const { getBuiltinModule } = process;
    super(...given);
    // Jest replaces it, in what it takes for the process of the test file's realm alone.
    if (getBuiltinModule) process.getBuiltinModule = getBuiltinModule;
    [, , this.#resolver, this.#transformer] = given;
  }

  async unstable_importModule(path) {
    return this.#evaluated(await this.#moduleOf(path));
  }

  /** Files of setupFiles. */
  requireModule(path) {
    return require(path);
  }

  /** What runs the tests: it keeps their state, so each test file has one of its own. */
  requireInternalModule(path) {
    delete require.cache[path];
    return require(path);
  }

  getSourceMaps() {
    return this.#sourceMaps;
  }

  setMock() {
    throw new Error('Use jest.unstable_mockModule(), before import()');
  }

  /** For what our modules import that is not ours. Packages, which are loaded already, go on with what they have. */
  setModuleMock(_from, specifier, factory) {
    if (isOurs(specifier)) throw new Error(`${specifier} cannot be mocked, only what comes from elsewhere`);
    this.#mocks.set(specifier, factory);
  }

  teardown() {
    super.teardown();
    this.#isTornDown = true;
    this.#modules.clear();
  }

  async #evaluated(module) {
    const linking = this.#linked.then(async () => {
      if (module.status !== 'unlinked') return;
      await module.link((specifier, { identifier }) => this.#imported(specifier, identifier));
    });
    this.#linked = linking.catch(() => undefined);
    await linking;
    await module.evaluate();
    return module;
  }

  /** The module that a file of ours imports. */
  async #imported(specifier, from) {
    if (this.#isTornDown) throw new ReferenceError(`${from} imports ${specifier} after its tests have ended`);
    if (specifier === '@jest/globals') return synthetic(specifier, this.requireModuleOrMock(from, specifier));
    if (this.#mocks.has(specifier)) return synthetic(specifier, await this.#mocks.get(specifier)());
    if (!isOurs(specifier)) return shared(specifier);
    const path = this.#resolver.resolveModule(from, specifier, { conditions: [] });
    return path.endsWith('.ts') ? this.#moduleOf(path) : shared(pathToFileURL(path).href);
  }

  #moduleOf(path) {
    if (!this.#modules.has(path)) this.#modules.set(path, this.#load(path));
    return this.#modules.get(path);
  }

  async #load(path) {
    const { code, sourceMapPath } = this.#transformer.transform(path, AS_ESM);
    if (sourceMapPath) this.#sourceMaps.set(path, sourceMapPath);
    return new SourceTextModule(code, {
      identifier: path,
      initializeImportMeta(meta) {
        Object.assign(meta, { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) });
      },
      importModuleDynamically: async (specifier) => this.#evaluated(await this.#imported(specifier, path)),
    });
  }
}

const isOurs = (specifier) => /^\.{1,2}\//.test(specifier);

function shared(specifier) {
  const load = async () => synthetic(specifier, await import(specifier));
  if (!packages.has(specifier)) packages.set(specifier, load());
  return packages.get(specifier);
}

/** A module that exports what is there already. */
async function synthetic(identifier, exports) {
  const names = Object.keys(exports);
  const module = new SyntheticModule(names, () => names.forEach((name) => module.setExport(name, exports[name])), {
    identifier,
  });
  if (module.status === 'unlinked') await module.link(() => undefined);
  await module.evaluate();
  return module;
}

module.exports = OneRealmRuntime;
