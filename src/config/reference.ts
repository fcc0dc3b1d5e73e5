/** Renders docs/configuration.md and config.example.yaml from the schema, so that neither can age. Pure. */
import { configJsonSchema } from './load.ts';

interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly range?: string;
  readonly type?: string;
  readonly properties?: Record<string, SchemaNode>;
  readonly items?: SchemaNode;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: unknown;
  readonly unit?: string;
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
      child.default !== undefined
        ? JSON.stringify(child.default)
        : required
          ? '(required)'
          : child.type === 'array'
            ? '[]'
            : '(derived)';
    const own = { path: at, text: child.description ?? '', fallback, range: child.range ?? child.type ?? '' };
    return [own, ...variantsOf(child.items).flatMap((variant) => leaves(variant.node, `${at}[${variant.name}]`))];
  });
}

/** What an entry of a list may look like: one shape, or several told apart by their `type`. */
function variantsOf(items: SchemaNode | undefined): { readonly name: string; readonly node: SchemaNode }[] {
  if (items === undefined) return [];
  const several = items.oneOf ?? items.anyOf;
  if (several === undefined) return items.properties === undefined ? [] : [{ name: '', node: items }];
  return several.map((node) => {
    const { type, ...properties } = node.properties ?? {};
    return { name: `type: ${String(type?.const)}`, node: { ...node, properties } };
  });
}

/** The names of the keys whose values are durations, wherever they stand. */
export function durationKeys(): Set<string> {
  const found = new Set<string>();
  const walk = (node: SchemaNode): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      if (child.unit === 'duration') found.add(name);
      walk(child);
    }
    for (const child of [node.items, ...(node.oneOf ?? []), ...(node.anyOf ?? [])])
      if (child !== undefined) walk(child);
  };
  walk(configJsonSchema());
  return found;
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
