import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Who may import whom. An arrow points only to what stands in its list. */
const arrows = {
  core: ['core'],
  records: ['records', 'core'],
  config: ['config', 'core'],
  environment: ['environment', 'core', 'records'],
  view: ['view', 'environment', 'core', 'records', 'config'],
  agent: ['agent', 'view', 'core', 'records', 'config', 'environment'],
  real: ['real', 'environment', 'core', 'records', 'config'],
  sim: ['sim', 'environment', 'core', 'records', 'config', 'agent'],
  proof: ['proof', 'sim', 'environment', 'core', 'records', 'config'],
  daemon: ['daemon', 'agent', 'real', 'environment', 'core', 'records', 'config'],
  cli: ['cli', 'proof', 'sim', 'real', 'view', 'environment', 'core', 'records', 'config'],
  lab: ['lab', 'real', 'environment', 'core', 'records', 'config'],
};

/** Which packages a folder may use. What is not named here is forbidden. */
const packages = {
  records: ['zod'],
  config: ['zod', 'yaml', 'leven'],
  real: [
    '@rgrove/parse-xml',
    'leven',
    'execa',
    'fastify',
    'node-zookeeper-client',
    'pino',
    'prom-client',
    '@fastify/rate-limit',
    'zod',
  ],
  proof: ['yaml', 'zod'],
  cli: ['yargs', 'string-width', 'yargs/helpers', 'yaml'],
  lab: ['yargs', 'yargs/helpers', 'yaml'],
};

/** Only these may touch Node's own modules. */
const nodeUsers = ['real', 'daemon', 'cli', 'lab', 'proof'];

/** The words that would let time, chance or the outside into a decision. */
const outside = {
  'no-restricted-globals': [
    'error',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'performance',
    'process',
    'fetch',
    'console',
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'Ask the Clock.' },
    { object: 'Math', property: 'random', message: 'Ask Random.' },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Ask the Clock.' },
  ],
};

export default defineConfig(
  { ignores: ['dist', 'node_modules', 'test/support/*.mjs', 'scripts/debian/*.mjs', 'scripts/bundle', 'src/page'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { boundaries },
    settings: {
      'import/resolver': { typescript: true },
      'boundaries/elements': Object.keys(arrows).map((type) => ({ type, pattern: `src/${type}` })),
    },
    rules: {
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          checkAllOrigins: true,
          policies: [
            ...Object.entries(arrows).map(([from, to]) => ({
              from: { element: { type: from } },
              allow: { to: { element: { types: { anyOf: to } } } },
            })),
            ...Object.entries(packages).flatMap(([from, names]) =>
              names.map((source) => ({
                from: { element: { type: from } },
                allow: { to: { module: { origin: 'external', source } } },
              })),
            ),
            {
              from: { element: { types: { anyOf: nodeUsers } } },
              allow: { to: { module: { origin: 'core' } } },
            },
          ],
        },
      ],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: ['src/{core,records,config,environment,agent}/**/*.ts'], rules: outside },
  {
    // The simulator is deterministic too; only its clock may ask Node to drain the microtasks.
    files: ['src/sim/**/*.ts'],
    ignores: ['src/sim/clock.ts'],
    rules: outside,
  },
  {
    files: ['test/**/*.ts', '*.js'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', '@typescript-eslint/unbound-method': 'off' },
  },
  { files: ['*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
