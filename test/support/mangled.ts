/** Texts as the outside sends them on a bad day: a real one, cut, doubled, with foreign characters in it; or anything at all. */
import * as fc from 'fast-check';

type Edit = (text: string) => string;

/** Each of `samples` after some edits at any place, or any text. */
export function mangled(...samples: readonly string[]): fc.Arbitrary<string> {
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  const at = (text: string, share: number) => Math.floor(share * text.length);
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    fc.tuple(place, place).map(([a, b]): Edit => (text) => {
      const [from, to] = [at(text, a), at(text, b)].sort((x, y) => x - y) as [number, number];
      return text.slice(0, from) + text.slice(to);
    }),
    fc.tuple(place, place).map(([a, b]): Edit => (text) => {
      const [from, to] = [at(text, a), at(text, b)].sort((x, y) => x - y) as [number, number];
      return text.slice(0, to) + text.slice(from);
    }),
    fc.tuple(place, fc.string({ unit: 'binary', maxLength: 12 })).map(([a, put]): Edit => (text) => {
      return text.slice(0, at(text, a)) + put + text.slice(at(text, a));
    }),
    fc.tuple(place, fc.integer({ min: -1e15, max: 1e15 })).map(([a, number]): Edit => (text) => {
      const head = text.slice(0, at(text, a));
      return head + text.slice(at(text, a)).replace(/\d+/, String(number));
    }),
  );
  const edited = fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { maxLength: 4 }))
    .map(([sample, edits]) => edits.reduce((text, change) => change(text), sample));
  return fc.oneof(
    { weight: 4, arbitrary: edited },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 400 }) },
  );
}
