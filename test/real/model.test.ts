/**
 * docs/model by spin: S1 in every order of all steps; each mutation is refuted, each second barrier is one; and the model comes
 * as far as it claims. NODEKEEPER_LONG=1 adds the run of three nodes with a fence (a minute).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const model = new URL('../../docs/model/role.pml', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-model-'));
const measured: string[] = [];
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
  process.stdout.write(`${measured.join('\n')}\n`);
});

interface Bounds {
  readonly nodes: number;
  readonly epochs: number;
  readonly crashes?: number;
  readonly fences?: number;
  readonly lost?: number;
  readonly asks?: number;
}

/** Whether two nodes ever run the resources, over all reachable states. Throws when spin did not get through. */
function breaks(
  { nodes, epochs, crashes = 0, fences = 0, lost = 0, asks = 0 }: Bounds,
  ...mutations: readonly string[]
): boolean {
  const numbers = { NODES: nodes, EPOCHS: epochs, CRASHES: crashes, FENCES: fences, LOST: lost, ASKS: asks };
  const defined = [
    ...Object.entries(numbers).map(([name, value]) => `-D${name}=${value}`),
    ...mutations.map((name) => `-D${name}`),
  ];
  const at = { cwd: dir, encoding: 'utf8', timeout: 600_000 } as const;
  execFileSync('spin', ['-a', ...defined, model], at);
  execFileSync('cc', ['-O2', '-DSAFETY', '-DCOLLAPSE', '-DMEMLIM=4000', '-w', '-o', 'pan', 'pan.c'], at);
  const startMs = performance.now();
  const said = execFileSync('./pan', ['-E', '-n', '-m100000'], at);
  if (/max search depth too small|out of memory|reached DMEMLIM/.test(said)) throw new Error(said);
  const [, errors = ''] = /errors: (\d+)/.exec(said) ?? [];
  const [, states = ''] = /(\d[\d.e+]*) states, stored/.exec(said) ?? [];
  measured.push(
    `${defined.join(' ')}: errors ${errors}, ${states} states, ${Math.round(performance.now() - startMs)} ms`,
  );
  if (errors !== '0' && !said.includes('assertion violated')) throw new Error(said);
  return errors !== '0';
}

const long = process.env['NODEKEEPER_LONG'] === '1';

it.each<[string, Bounds]>([
  ['two nodes, a transfer, a lost answer', { nodes: 2, epochs: 3, lost: 1, asks: 1 }],
  ['two nodes, a crash as well', { nodes: 2, epochs: 3, crashes: 1, lost: 1, asks: 1 }],
  ['two nodes, a fence as well', { nodes: 2, epochs: 2, fences: 1, lost: 1, asks: 1 }],
  ['two nodes, a fence, up to the third epoch', { nodes: 2, epochs: 3, fences: 1 }],
  ['two nodes, a crash and a fence', { nodes: 2, epochs: 2, crashes: 1, fences: 1 }],
  ['three nodes, a transfer, a lost answer', { nodes: 3, epochs: 2, lost: 1, asks: 1 }],
  ['three nodes, a crash', { nodes: 3, epochs: 2, crashes: 1 }],
  ...(long ? ([['three nodes, a fence', { nodes: 3, epochs: 2, fences: 1 }]] as [string, Bounds][]) : []),
])(
  'S1: %s: never two, in any order',
  (_name, bounds) => {
    expect(breaks(bounds)).toBe(false);
  },
  300_000,
);

it.each<[string, Bounds, readonly string[]]>([
  ['taking over because the holder is silent', { nodes: 2, epochs: 3, asks: 1 }, ['TAKE_ON_SILENCE']],
  ["believing a BMC's exit code", { nodes: 2, epochs: 3, fences: 1, asks: 1 }, ['TRUST_THE_EXIT_CODE']],
  ['taking a hand-over back in doubt', { nodes: 2, epochs: 3, lost: 1, asks: 1 }, ['GO_ON_IN_DOUBT']],
  ['leaving what a former life left', { nodes: 2, epochs: 3, crashes: 1, lost: 1, asks: 1 }, ['KEEP_LEFTOVERS']],
  ['writing without version and lock', { nodes: 2, epochs: 3, lost: 1, asks: 1 }, ['BLIND_WRITE', 'NO_LOCK']],
  [
    'joining while condemned, and freeing any life',
    { nodes: 2, epochs: 3, fences: 1 },
    ['JOIN_WHILE_CONDEMNED', 'ANY_LIFE'],
  ],
])(
  '%s is refuted',
  (_name, bounds, mutations) => {
    expect(breaks(bounds, ...mutations)).toBe(true);
  },
  300_000,
);

it.each<[string, Bounds, string]>([
  ['versions', { nodes: 2, epochs: 3, lost: 1, asks: 1 }, 'BLIND_WRITE'],
  ['the lock', { nodes: 2, epochs: 3, crashes: 1, lost: 1, asks: 1 }, 'NO_LOCK'],
  ['waiting for the own fence', { nodes: 2, epochs: 3, fences: 1 }, 'JOIN_WHILE_CONDEMNED'],
])(
  '%s alone may be missing: there is a second barrier',
  (_name, bounds, mutation) => {
    expect(breaks(bounds, mutation)).toBe(false);
  },
  300_000,
);

it('the model comes as far as its bounds: the last epoch is reached', () => {
  expect(breaks({ nodes: 2, epochs: 3, lost: 1, asks: 1 }, 'REACHED')).toBe(true);
  expect(breaks({ nodes: 3, epochs: 2 }, 'REACHED')).toBe(true);
});
