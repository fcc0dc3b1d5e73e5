/** The kinds of values that the configuration is made of; each says in its error what it got and what it wants. */
import * as z from 'zod';
import { nodeNamePattern } from '../core/node.ts';
import { parseDuration, printDuration } from './duration.ts';

/** A duration with its range; parsed to ms. The range is part of the published schema. */
export function duration(text: string, minMs: number, maxMs: number) {
  const range = `${printDuration(minMs)} to ${printDuration(maxMs)}`;
  return z
    .string({ error: (issue) => `expected a duration such as 5s or 400ms, got ${shown(issue.input)}` })
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== null && ms >= minMs && ms <= maxMs) return ms;
      const wanted = ms === null ? 'a duration such as 5s or 400ms' : `a duration from ${range}`;
      context.addIssue({ code: 'custom', message: `expected ${wanted}, got ${shown(value)}` });
      return z.NEVER;
    })
    .meta({ description: text, unit: 'duration', range });
}

/** A duration with a fixed default. */
export function durationOr(fallback: string, text: string, minMs: number, maxMs: number) {
  return duration(text, minMs, maxMs)
    .prefault(fallback)
    .meta({ description: text, unit: 'duration', range: `${printDuration(minMs)} to ${printDuration(maxMs)}` });
}

export function whole(text: string, min: number, max: number) {
  const message = `expected a whole number from ${min} to ${max}`;
  const error = (issue: { input?: unknown }) => `${message}, got ${shown(issue.input)}`;
  return z
    .int({ error })
    .min(min, { error })
    .max(max, { error })
    .meta({ description: text, range: `${min} to ${max}` });
}

export function flag(text: string, fallback: boolean) {
  return z
    .boolean({ error: (issue) => `expected true or false, got ${shown(issue.input)}` })
    .default(fallback)
    .meta({ description: text });
}

export function word(text: string, pattern: RegExp, wanted: string) {
  const error = (issue: { input?: unknown }) => `expected ${wanted}, got ${shown(issue.input)}`;
  return z.string({ error }).regex(pattern, { error }).meta({ description: text, range: wanted });
}

export function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

export const choice = <const T extends readonly [string, ...string[]]>(text: string, values: T) =>
  z
    .enum(values, { error: (issue) => `expected one of ${values.join(', ')}; got ${shown(issue.input)}` })
    .meta({ description: text, range: values.join(', ') });

export const path = (text: string) => word(text, /^\/[^\0\n]*$/, 'an absolute path');
export const nodeName = (text: string) =>
  word(text, nodeNamePattern, 'a name of lower-case letters, digits, dots and hyphens (at most 63), as in host names');
export const command = (text: string) =>
  z
    .array(z.string({ error: (issue) => `expected a word of the command, got ${shown(issue.input)}` }), {
      error: (issue) => `expected a list: the program and its arguments, got ${shown(issue.input)}`,
    })
    .min(1, { error: 'expected at least the program' })
    .meta({ description: text, range: 'a list: the program and its arguments; never passed through a shell' });

/** How many bytes a text takes in UTF-8: IPMI counts bytes, not characters. */
export function utf8Length(text: string): number {
  return encodeURIComponent(text).replace(/%../g, '_').length;
}
