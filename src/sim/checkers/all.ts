/** Every rule that is watched in random stories. S5 and S7 have none of their own: wrong clocks may not break the others, and whatever does not end keeps a cluster from being well again. */
import type { Checker } from './checker.ts';
import { checkActsInThePresent } from './acts-in-the-present.ts';
import { checkContradictedWithCause } from './contradicted-with-cause.ts';
import { checkDoubtStepsDown } from './doubt-steps-down.ts';
import { checkExplained } from './explained.ts';
import { checkFailedIsTried } from './failed-is-tried.ts';
import { checkHandsOff } from './hands-off.ts';
import { checkHealthyNeverFenced } from './healthy-never-fenced.ts';
import { checkHoldsItsLock } from './holds-its-lock.ts';
import { checkKeepaliveOnTime } from './keepalive-on-time.ts';
import { checkKeptApart } from './kept-apart.ts';
import { checkLimitedFences } from './limited-fences.ts';
import { checkOffBeforeFenced } from './off-before-fenced.ts';
import { checkOneHome } from './one-home.ts';
import { checkOnePrimary } from './one-primary.ts';
import { checkRecordedOff } from './recorded-off.ts';
import { checkRoleMovesOn } from './role-moves-on.ts';
import { checkRestoredStoreFencesNobody } from './restored-store-fences-nobody.ts';
import { checkSecretsStaySecret } from './secrets-stay-secret.ts';
import { checkSparedWhenAwake } from './spared-when-awake.ts';
import { checkWholeLists } from './whole-lists.ts';
import { checkWordsOrderNothing } from './words-order-nothing.ts';

export const checkers: readonly Checker[] = [
  { rule: 'S1', watch: checkOnePrimary },
  { rule: 'S2', watch: checkOneHome },
  { rule: 'S2', watch: checkKeptApart },
  { rule: 'S2', watch: checkHoldsItsLock },
  { rule: 'S2', watch: checkRecordedOff },
  { rule: 'S2', watch: checkWholeLists },
  { rule: 'S3', watch: checkHealthyNeverFenced },
  { rule: 'S3', watch: checkLimitedFences },
  { rule: 'S3', watch: checkSparedWhenAwake },
  { rule: 'S3', watch: checkRestoredStoreFencesNobody },
  { rule: 'S3', watch: checkWordsOrderNothing },
  { rule: 'S3', watch: checkHandsOff },
  { rule: 'S4', watch: checkOffBeforeFenced },
  { rule: 'S6', watch: checkActsInThePresent },
  { rule: 'S7', watch: checkFailedIsTried },
  { rule: 'S7', watch: checkRoleMovesOn },
  { rule: 'S8', watch: checkKeepaliveOnTime },
  { rule: 'S9', watch: checkDoubtStepsDown },
  { rule: 'S10', watch: checkSecretsStaySecret },
  { rule: 'S11', watch: checkExplained },
  { rule: 'S11', watch: checkContradictedWithCause },
];
