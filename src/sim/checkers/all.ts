/** Every rule that is watched in random stories. S5 and S7 have none of their own: wrong clocks may not break the others, and whatever does not end keeps a cluster from being well again. */
import type { Checker } from './checker.ts';
import { checkActsInThePresent } from './acts-in-the-present.ts';
import { checkContradictedWithCause } from './contradicted-with-cause.ts';
import { checkDoubtStepsDown } from './doubt-steps-down.ts';
import { checkExplained } from './explained.ts';
import { checkHealthyNeverFenced } from './healthy-never-fenced.ts';
import { checkKeepaliveOnTime } from './keepalive-on-time.ts';
import { checkKeptApart } from './kept-apart.ts';
import { checkLimitedFences } from './limited-fences.ts';
import { checkOffBeforeFenced } from './off-before-fenced.ts';
import { checkOneHome } from './one-home.ts';
import { checkOnePrimary } from './one-primary.ts';
import { checkSecretsStaySecret } from './secrets-stay-secret.ts';

export const checkers: readonly Checker[] = [
  { rule: 'S1', watch: checkOnePrimary },
  { rule: 'S2', watch: checkOneHome },
  { rule: 'S2', watch: checkKeptApart },
  { rule: 'S3', watch: checkHealthyNeverFenced },
  { rule: 'S3', watch: checkLimitedFences },
  { rule: 'S4', watch: checkOffBeforeFenced },
  { rule: 'S6', watch: checkActsInThePresent },
  { rule: 'S8', watch: checkKeepaliveOnTime },
  { rule: 'S9', watch: checkDoubtStepsDown },
  { rule: 'S10', watch: checkSecretsStaySecret },
  { rule: 'S11', watch: checkExplained },
  { rule: 'S11', watch: checkContradictedWithCause },
];
