/** Holds answers of the API against its own description. */
import { z } from 'zod';

interface Described {
  readonly paths: Record<
    string,
    Record<
      string,
      { readonly responses: Record<string, { readonly content: { 'application/json': { schema: object } } }> }
    >
  >;
}

/** Why this answer is not as described; null: it is. */
export function undescribed(
  document: unknown,
  method: string,
  path: string,
  status: number,
  value: unknown,
): string | null {
  const { paths } = document as Described;
  const found = Object.keys(paths).find((pattern) =>
    new RegExp(`^${pattern.replaceAll(/\{[^}]*\}/g, '[^/]+')}$`).test(path),
  );
  if (found === undefined) return `the path ${path} is not described`;
  const response = paths[found]?.[method.toLowerCase()]?.responses[String(status)];
  if (response === undefined) return `${method} ${found} with status ${status} is not described`;
  const schema = response.content['application/json'].schema as Parameters<typeof z.fromJSONSchema>[0];
  const parsed = z.fromJSONSchema(schema).safeParse(value);
  return parsed.success ? null : `${method} ${found} ${status}: ${z.prettifyError(parsed.error)}`;
}
