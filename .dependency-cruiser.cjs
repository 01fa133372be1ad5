// Direction of imports, upward never and in a circle never:
// entry points → app module → features → shared → foundations → callers → config, common
const features =
  'answers|transcription|analysis|archive|resumable|recordings|documents|content|admin|ops|webhooks|alerts';
// The session is the document that answers, scores and documents are written into, and the sweep is also called by hand by
// the admin: both serve several features and know none.
const shared = 'sessions|sweep';
const foundations = 'uploads|queue|storage|events|audit';
// Who asks, how much, whether again; the client of OpenAI-compatible servers, and the processes that models run in.
const callers = 'auth|limits|idempotency|openai|engine';
const entryPoints = '^src/(main|cli|cli\\.services|service|app\\.module)\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment:
        'Injectables that import each other in a circle compile, and throw at the start. A type is erased before.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'config-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/', pathNot: '^src/config/' },
    },
    {
      name: 'common-is-at-the-bottom',
      severity: 'error',
      from: { path: '^src/common/' },
      to: { path: '^src/', pathNot: '^src/(common|config)/' },
    },
    {
      name: 'embedded-stands-alone',
      severity: 'error',
      from: { path: '^src/embedded/' },
      to: { path: '^src/', pathNot: '^src/(embedded|common|config)/' },
    },
    {
      name: 'callers-know-no-foundation',
      severity: 'error',
      from: { path: `^src/(${callers})/` },
      to: { path: '^src/', pathNot: `^src/(${callers}|common|config)/` },
    },
    {
      name: 'foundations-know-no-feature',
      severity: 'error',
      from: { path: `^src/(${foundations})/` },
      to: { path: '^src/', pathNot: `^src/(${foundations}|${callers}|common|config)/` },
    },
    {
      name: 'shared-knows-no-feature',
      severity: 'error',
      from: { path: `^src/(${shared})/` },
      to: { path: '^src/', pathNot: `^src/(${shared}|${foundations}|${callers}|common|config)/` },
    },
    {
      name: 'features-keep-to-themselves',
      comment:
        "Only types cross over: a scorer is given the transcription's segments, and ports are named by those that use them.",
      severity: 'error',
      from: { path: `^src/(${features})/` },
      to: { path: `^src/(${features}|embedded)/`, pathNot: '^src/$1/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'recovery-is-above-the-features',
      comment: 'It may use any of them; none may know it.',
      severity: 'error',
      from: { path: `^src/(${features})/` },
      to: { path: '^src/recovery/' },
    },
    {
      name: 'nothing-imports-an-entry-point',
      severity: 'error',
      from: { pathNot: entryPoints },
      to: { path: entryPoints },
    },
    {
      name: 'only-declared-dependencies',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown', 'undetermined', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'bull-stays-in-queue-and-processors',
      comment: 'Drivers stay at their edge.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/queue/', '\\.(processor|scheduler|module)\\.ts$', '\\.test\\.ts$'] },
      to: { path: 'node_modules/(bull|@nestjs/bull)/' },
    },
    {
      name: 'onnx-stays-in-the-engine-process',
      comment: 'loading it takes half a second and its memory, in every API process too',
      severity: 'error',
      from: { path: '^src/', pathNot: ['\\.process\\.ts$', '\\.test\\.ts$'] },
      to: {
        path: '^src/(transcription/(vad|moonshine)|analysis/meaning/sentence-encoder)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'openai-stays-in-its-adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/openai/', '/openai[^/]*\\.ts$', '\\.test\\.ts$'] },
      to: { path: 'node_modules/openai/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
