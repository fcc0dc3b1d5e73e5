import { test as property, fc } from '@fast-check/jest';
import { FenceLedger, FenceRecord, fenceStepsMax, noFence, withSteps } from '../../src/records/fence.ts';
import { HistoryEvent } from '../../src/records/history.ts';
import { Keepalive } from '../../src/records/keepalive.ts';
import { Maintenance } from '../../src/records/maintenance.ts';
import { IpmiDevice } from '../../src/records/device.ts';
import { Registration, SessionHolder } from '../../src/records/registration.ts';
import { parseRecord, printRecord, recordBytesMax } from '../../src/records/record.ts';
import { OperatorRequest } from '../../src/records/request.ts';
import { DeviceKnowledgeRecord } from '../../src/records/device-knowledge.ts';
import { VerificationEntry, VerificationHead } from '../../src/records/verification.ts';

const schemas = {
  Keepalive,
  Registration,
  SessionHolder,
  IpmiDevice,
  FenceRecord,
  FenceLedger,
  HistoryEvent,
  Maintenance,
  OperatorRequest,
  VerificationEntry,
  VerificationHead,
  DeviceKnowledgeRecord,
};

describe.each(Object.entries(schemas))('%s', (_name, schema) => {
  property.prop([
    fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify({ schema: 1, value })),
    ),
  ])('garbage is a value that says why, never a crash', (text) => {
    const parsed = parseRecord<unknown>(schema, text);
    if (!parsed.ok) expect(parsed.because.length).toBeGreaterThan(3);
  });

  it('says what is wrong with: nothing, no JSON, another schema, too much', () => {
    expect(parseRecord<unknown>(schema, '')).toEqual({ ok: false, because: 'it is empty' });
    expect(parseRecord<unknown>(schema, '{"a":')).toMatchObject({
      ok: false,
      because: expect.stringContaining('not JSON') as string,
    });
    expect(parseRecord<unknown>(schema, '{"schema":99}').ok).toBe(false);
    expect(parseRecord<unknown>(schema, 'x'.repeat(recordBytesMax + 1))).toMatchObject({
      ok: false,
      because: expect.stringContaining('limit') as string,
    });
  });
});

it('what is printed is read back', () => {
  const record = noFence('node1');
  expect(parseRecord(FenceRecord, printRecord(record))).toEqual({ ok: true, record });
});

it('an account of many steps keeps its beginning and its end', () => {
  const steps = Array.from({ length: 100 }, (_, index) => ({
    wallMs: index,
    by: 'a',
    what: String(index),
    because: '',
  }));
  const kept = withSteps(noFence('node1'), steps).steps.map((step) => Number(step.what));
  expect(kept).toHaveLength(fenceStepsMax);
  expect(kept[0]).toBe(0);
  expect(kept.at(-1)).toBe(99);
});
