/** A story as people write it (scenario.yaml): the cluster, what happens when, until when. */
import { parseDocument, stringify } from 'yaml';
import * as z from 'zod';
import { parseDuration, printDuration } from '../config/duration.ts';
import { storyVerbs } from '../sim/scenario.ts';
import type { StoryStep } from '../sim/scenario.ts';
import type { Scenario } from '../sim/swarm/plan.ts';

const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  context.addIssue({ code: 'custom', message: `"${text}" is no duration (e.g. 500ms, 10s, 2m)` });
  return z.NEVER;
});

const count = z.int().min(1).max(1000);

const story = z.array(z.strictObject({ at: duration, do: z.string().min(1) }));
const StoryFile = z.strictObject({ story: story.min(1), until: duration });

const ScenarioFile = z.strictObject({
  cluster: z.strictObject({
    nodes: count,
    coordinators: count.optional(),
    zookeepers: z.int().min(1).max(9).optional(),
    storeOnCoordinators: z.boolean().optional(),
    clockRates: z.record(z.string(), z.number().min(0.9).max(1.1)).optional(),
    set: z.record(z.string(), z.unknown()).optional(),
  }),
  seed: z.int().min(0).optional(),
  boot: duration.optional(),
  story,
  until: duration,
  expect: z.array(z.string().min(1)).optional(),
});

export type ParsedScenario =
  { readonly ok: true; readonly scenario: Scenario } | { readonly ok: false; readonly because: string };

export interface Story {
  readonly steps: readonly StoryStep[];
  readonly untilMs: number;
}

/** Reads a story without a cluster (`story`, `until`); says what is wrong with it, and where. */
export function parseStory(
  text: string,
): { readonly ok: true; readonly story: Story } | { readonly ok: false; readonly because: string } {
  const read = checked(StoryFile, text, 'story');
  if (!read.ok) return read;
  const { story: told, until } = read.data;
  const steps = told.map((step) => ({ atMs: step.at, command: step.do })).sort((a, b) => a.atMs - b.atMs);
  const unknown = steps.map(({ command }) => command.split(' ')[0] ?? '').find((verb) => !storyVerbs.includes(verb));
  if (unknown !== undefined) return { ok: false, because: `"${unknown}" is none of: ${storyVerbs.join(', ')}` };
  const late = steps.find(({ atMs }) => atMs > until);
  if (late !== undefined) return { ok: false, because: `"${late.command}" comes after the end (until)` };
  return { ok: true, story: { steps, untilMs: until } };
}

function checked<T>(
  schema: z.ZodType<T>,
  text: string,
  what: string,
): { readonly ok: true; readonly data: T } | { readonly ok: false; readonly because: string } {
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken !== undefined) return { ok: false, because: broken.message };
  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return { ok: true, data: parsed.data };
  const [first] = parsed.error.issues;
  return { ok: false, because: `${first?.path.map(String).join('.') || what}: ${first?.message ?? 'wrong'}` };
}

const defaultBootMs = 5000;

/** Reads a scenario.yaml; says what is wrong with it, and where. */
export function parseScenario(text: string): ParsedScenario {
  const read = checked(ScenarioFile, text, 'scenario');
  if (!read.ok) return read;
  const { cluster, seed = 1, boot = defaultBootMs, story: told, until, expect } = read.data;
  return {
    ok: true,
    scenario: {
      cluster,
      seed,
      bootMs: boot,
      steps: told.map((step) => ({ atMs: step.at, command: step.do })),
      untilMs: until,
      expect,
    },
  };
}

/** The text that `parseScenario` reads back as the same. */
export function printScenario({ cluster, seed, bootMs, steps, untilMs, expect }: Scenario): string {
  return stringify(
    {
      cluster,
      seed,
      boot: printDuration(bootMs),
      story: steps.map(({ atMs, command }) => ({ at: printDuration(atMs), do: command })),
      until: printDuration(untilMs),
      ...(expect === undefined ? {} : { expect }),
    },
    { flowCollectionPadding: true, lineWidth: 0 },
  );
}
