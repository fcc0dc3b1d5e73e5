/** Renders docs/configuration.md and config.example.yaml from the schema, so that neither can age. Pure. */
import { configJsonSchema } from './load.ts';

interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly range?: string;
  readonly type?: string;
  readonly properties?: Record<string, SchemaNode>;
  readonly items?: SchemaNode;
  readonly required?: readonly string[];
}

export interface ConfigKey {
  readonly path: string;
  readonly text: string;
  readonly fallback: string;
  readonly range: string;
}

/** Every leaf key, in the order of the schema. */
export function configKeys(): ConfigKey[] {
  return leaves(configJsonSchema(), '');
}

function leaves(node: SchemaNode, path: string): ConfigKey[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (child.properties !== undefined) return leaves(child, at);
    const required = node.required?.includes(name) === true && child.default === undefined;
    const fallback =
      child.default === undefined ? (required ? '(required)' : '(derived)') : JSON.stringify(child.default);
    const own = { path: at, text: child.description ?? '', fallback, range: child.range ?? child.type ?? '' };
    return child.items?.properties === undefined ? [own] : [own, ...leaves(child.items, `${at}[]`)];
  });
}

/** docs/configuration.md. */
export function configReference(): string {
  const rows = configKeys().map(
    ({ path, text, fallback, range }) =>
      `| \`${path}\` | ${text.replaceAll('|', '\\|')} | \`${fallback}\` | ${range} |`,
  );
  return [
    '# Configuration',
    '',
    'Generated from `src/config/schema.ts` by `scripts/docs`; a test compares it. One YAML file, `/etc/nodekeeper/config.yaml`',
    'unless `--config` or `NODEKEEPER_CONFIG` names another. It must not be readable by others. Durations are written as',
    '`400ms`, `5s`, `1m30s`. Unknown keys are errors. `nodectl config check` checks a file and prints the worst case from',
    'failure to recovery; "(derived)" defaults hang on other keys and are shown by `nodectl config show`.',
    '',
    '| key | meaning | default | range |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
