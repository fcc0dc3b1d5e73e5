/**
 * Text -> configuration. All errors at once, each with file, line and column, the key's path, the value got and what is
 * wanted; an unknown key with the nearest known name. Pure: reading the file is real/config-file.ts.
 */
import leven from 'leven';
import { LineCounter, parseDocument, visit } from 'yaml';
import type { Document } from 'yaml';
import * as z from 'zod';
import { configSchema } from './schema.ts';
import type { WrittenConfig } from './schema.ts';
import { deriveTiming, timingViolations } from './timing.ts';
import type { Timing } from './timing.ts';

/** The whole configuration: what was written, plain defaults, and what was derived. */
export interface Config extends WrittenConfig {
  readonly timing: Timing;
}

export interface ConfigError {
  /** 1-based; null when the place is not known. */
  readonly line: number | null;
  readonly column: number | null;
  /** e.g. `keepalive.interval`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

export type LoadedConfig =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly errors: ConfigError[] };

/** Parses and checks a configuration text. */
export function loadConfig(text: string): LoadedConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  if (document.errors.length > 0) {
    const errors = document.errors.map((error) => {
      const at = lines.linePos(error.pos[0]);
      return { line: at.line, column: at.col, path: '', message: firstLine(error.message) };
    });
    return { ok: false, errors };
  }
  const aliases = aliasErrors(document, lines);
  if (aliases.length > 0) return { ok: false, errors: aliases };
  const place = (path: readonly PropertyKey[]) => placeOf(document, lines, path);
  const value: unknown = document.toJS({ maxAliasCount: 0 }) ?? {};
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    return { ok: false, errors: parsed.error.issues.flatMap((issue) => describeIssue(issue, place)) };
  }
  const violations = timingViolations(parsed.data);
  if (violations.length > 0) {
    const errors = violations.map((violation) => ({
      ...place(violation.path.split('.')),
      path: violation.path,
      message: violation.because,
    }));
    return { ok: false, errors };
  }
  return { ok: true, config: { ...parsed.data, timing: deriveTiming(parsed.data) } };
}

/** One line per error, as editors and people expect it: `file:line:column: path: message`. */
export function printErrors(file: string, errors: readonly ConfigError[]): string {
  return errors
    .map(({ line, column, path, message }) => {
      const at = line === null ? file : `${file}:${line}:${column ?? 1}`;
      return path === '' ? `${at}: ${message}` : `${at}: ${path}: ${message}`;
    })
    .join('\n');
}

/** Aliases can blow a few lines up to gigabytes, and nobody needs them here. */
function aliasErrors(document: Document, lines: LineCounter): ConfigError[] {
  const found: ConfigError[] = [];
  visit(document, {
    Alias(_key, node) {
      const at = lines.linePos(node.range?.[0] ?? 0);
      found.push({
        line: at.line,
        column: at.col,
        path: '',
        message: `aliases (*${node.source}) are not allowed; write the value`,
      });
    },
  });
  return found;
}

type Place = Pick<ConfigError, 'line' | 'column'>;

function describeIssue(issue: z.core.$ZodIssue, place: (path: readonly PropertyKey[]) => Place): ConfigError[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const hint = near === null ? `known here: ${known.join(', ')}` : `did you mean "${near}"?`;
      const path = [...issue.path, key];
      return { ...place(path), path: path.map(String).join('.'), message: `unknown key; ${hint}` };
    });
  }
  const message =
    issue.code === 'invalid_type' && issue.input === undefined && /received undefined/.test(issue.message)
      ? 'this key is missing'
      : issue.message;
  return [{ ...place(issue.path), path: issue.path.map(String).join('.'), message }];
}

/** Where a path stands in the text; for a missing key, where its nearest written parent stands. */
function placeOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): Place {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
    const start = node?.range?.[0];
    if (start !== undefined) {
      const at = lines.linePos(start);
      return { line: at.line, column: at.col };
    }
  }
  return { line: null, column: null };
}

interface SchemaNode {
  readonly properties?: Record<string, SchemaNode>;
  readonly items?: SchemaNode;
}

/** The configuration's JSON schema (of what is written, not of what is parsed). */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: SchemaNode | undefined = configJsonSchema();
  for (const part of path) at = typeof part === 'number' ? at?.items : at?.properties?.[String(part)];
  return Object.keys(at?.properties ?? {});
}

function nearest(key: string, known: readonly string[]): string | null {
  const ranked = known
    .map((name) => ({ name, distance: leven(name.toLowerCase(), key.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(2, Math.floor(key.length / 3)) ? best.name : null;
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? text).replace(/ at line \d+, column \d+:?$/, '');
}
