/** A line of the log as a person reads it on a terminal; what is not a line of ours is shown as it is. */
const shownApart = new Set(['level', 'time', 'name', 'msg', 'because']);

export function humanLine(json: string): string {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch {
    return json;
  }
  const word = (key: string) => (typeof fields[key] === 'string' ? fields[key] : '');
  const more = Object.entries(fields)
    .filter(([key]) => !shownApart.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const because = word('because') === '' ? '' : `: ${word('because')}`;
  const facts = more.length === 0 ? '' : ` (${more.join(', ')})`;
  return `${word('time').slice(11, 23)} ${word('level').padEnd(5)} ${word('msg')}${because}${facts}\n`;
}
