/** What loops wait by: a ring is never lost between a look and the wait after it. */
import { Bell } from '../../src/agent/bell.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimProcess } from '../../src/sim/process.ts';

const second = 1000;

async function lasted(
  act: (bell: Bell, time: VirtualTime) => Promise<void>,
  ...signals: AbortSignal[]
): Promise<number> {
  const time = new VirtualTime();
  const work = act(new Bell(new SimProcess(time), ...signals), time);
  let endMs = -1;
  void work.then(() => (endMs = time.nowMs));
  await time.runUntil(100 * second);
  return endMs;
}

it('it waits for its time when nobody rings', async () => {
  expect(await lasted((bell) => bell.wait(7 * second))).toBe(7 * second);
});

it('a ring ends the wait at once', async () => {
  const rung = lasted((bell, time) => {
    time.after(2 * second, bell.ring);
    return bell.wait(7 * second);
  });
  expect(await rung).toBe(2 * second);
});

it('a ring during the look ends the wait that follows; one before the look is over', async () => {
  const during = lasted(async (bell, time) => {
    bell.listen();
    time.after(second, bell.ring);
    await new Promise<void>((resolve) => time.after(2 * second, resolve));
    await bell.wait(7 * second);
  });
  expect(await during).toBe(2 * second);
  const before = lasted((bell) => {
    bell.ring();
    expect(bell.hasRung()).toBe(true);
    bell.listen();
    expect(bell.hasRung()).toBe(false);
    return bell.wait(7 * second);
  });
  expect(await before).toBe(7 * second);
});

it('the end of what it belongs to rings, also long after it was made', async () => {
  const over = new AbortController();
  const ended = lasted((bell, time) => {
    time.after(3 * second, () => over.abort());
    return bell.wait(7 * second);
  }, over.signal);
  expect(await ended).toBe(3 * second);
});
