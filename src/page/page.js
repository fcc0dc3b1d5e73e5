/** The page of noded: asks its API once a second and shows the answer. Everything is set as text, nothing as markup. */
const everyMs = 1000;
const shownTransitions = 5;
const roleKinds = ['primary', 'relinquish', 'deposed', 'role-free'];
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem('token') ?? '';

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function cells(row, ...contents) {
  for (const content of contents) {
    const cell = element('td');
    cell.append(...(Array.isArray(content) ? content : [content]));
    row.append(cell);
  }
  return row;
}

function seconds(ms) {
  if (ms === null) return '-';
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

function clock(wallMs) {
  return new Date(wallMs).toLocaleTimeString([], { hour12: false });
}

/** A bar with its words; `fill` sets an existing one. */
function fill(bar, value, whole, words) {
  const share = whole > 0 ? Math.min(1, Math.max(0, value / whole)) : 0;
  const inner = element('i');
  inner.style.width = `${Math.round(share * 100)}%`;
  bar.replaceChildren(inner);
  bar.setAttribute('aria-valuemax', String(whole));
  bar.setAttribute('aria-valuenow', String(Math.min(value, whole)));
  bar.setAttribute('aria-valuetext', words);
}

function bar(value, whole, words, label, className = '') {
  const made = element('span', undefined, `bar ${className}`);
  made.setAttribute('role', 'meter');
  made.setAttribute('aria-label', label);
  made.setAttribute('aria-valuemin', '0');
  fill(made, value, whole, words);
  return made;
}

function showNodes(seen) {
  const rows = seen.view.nodes.map((node) => {
    const row = element('tr');
    const isWell = node.state === 'run';
    const head = element('th', node.name);
    head.scope = 'row';
    row.append(head);
    const age = node.keepaliveAgeMs ?? seen.deadAfterMs;
    const late = age > seen.deadAfterMs / 2 ? 'bad' : age > seen.deadAfterMs / 4 ? 'warn' : '';
    const throws = Math.min(node.throws, seen.savingThrows);
    const words = `${throws} of ${seen.savingThrows}`;
    const bad = Object.entries(node.subsystems).filter(([, report]) => report.health !== 'ok');
    const systems = bad.map(([name, report]) => `${name}: ${report.health}`).join(', ');
    const fence = node.fence !== null && !['none', 'closed'].includes(node.fence.state) ? `${node.fence.state}; ` : '';
    return cells(
      row,
      element('span', node.state, isWell ? 'good' : 'bad'),
      node.coordinatorState ?? (node.lastCoordinatorState === null ? '-' : `? (was ${node.lastCoordinatorState})`),
      [bar(age, seen.deadAfterMs, seconds(age), `silence of ${node.name}`, late), seconds(node.keepaliveAgeMs)],
      throws === 0 ? '-' : [bar(throws, seen.savingThrows, words, `throws failed by ${node.name}`, 'bad'), words],
      systems === '' ? `${Object.keys(node.subsystems).length} ok` : element('span', systems, 'warn'),
      node.fenceability === 'none'
        ? element('span', `${fence}nobody can`, 'bad')
        : `${fence}${node.fenceability === 'unknown' ? 'not tried yet' : `${node.fencers.length} can`}`,
    );
  });
  $('nodes').tBodies[0].replaceChildren(...rows);
  const remarks = seen.view.nodes.flatMap((node) => [
    ...node.problems,
    ...(node.steppedDown === null ? [] : [`${node.name} has stepped down: ${node.steppedDown}`]),
    ...(node.maintenance === null ? [] : [`${node.name} is in maintenance: ${node.maintenance}`]),
    ...(node.left === null ? [] : [`${node.name} has left the cluster ${node.left}`]),
  ]);
  $('remarks').replaceChildren(
    ...[...seen.view.problems, ...remarks].map((text) => element('li', `! ${text}`, 'warn')),
  );
}

function showMatrix({ view: { nodes } }) {
  const observers = nodes.filter((node) => node.role === 'coordinator');
  const head = element('tr');
  head.append(element('td'), ...nodes.map((node) => Object.assign(element('th', node.name), { scope: 'col' })));
  const why = [];
  const rows = observers.map((observer) => {
    const row = element('tr');
    row.append(Object.assign(element('th', observer.name), { scope: 'row' }));
    return cells(
      row,
      ...nodes.map((node) => {
        if (node.name === observer.name) return element('span', 'itself', 'quiet');
        const proof = observer.proofs[node.name];
        if (proof === undefined) return element('span', '? not tried', 'quiet');
        if (!proof.canFence) why.push(`${observer.name} cannot fence ${node.name}: ${proof.because ?? ''}`);
        return proof.canFence ? element('span', '\u2713 can', 'good') : element('span', '\u2717 cannot', 'bad');
      }),
    );
  });
  $('matrix').replaceChildren(head, ...rows);
  $('cannot').replaceChildren(...why.map((text) => element('li', text, 'bad')));
}

/** Who held the role when, as far back as the events go: one piece each, as wide as it was long. */
function showRole({ view: { primary }, events, leaseLeftMs, leaseMs, wallMs }) {
  const { holder, epoch, state, because, sinceWallMs } = primary;
  $('primary').textContent =
    holder === null
      ? `nobody: ${because}`
      : `${holder}${state === 'primary' ? '' : ` is in "${state}"`}, epoch ${epoch}, since ${clock(sinceWallMs)}: ${because}`;
  $('lease').hidden = $('lease-words').hidden = leaseLeftMs === null;
  if (leaseLeftMs !== null) {
    const words = `${seconds(leaseLeftMs)} of ${seconds(leaseMs)} left`;
    fill($('lease'), leaseLeftMs, leaseMs, words);
    $('lease-words').textContent = `Lease: ${words}`;
  }
  const changes = events.filter((event) => roleKinds.includes(event.kind));
  const pieces = changes.map((event, at) => ({
    who: event.kind === 'primary' ? (event.node ?? '?') : 'nobody',
    longMs: Math.max(1, (changes[at + 1]?.wallMs ?? wallMs) - event.wallMs),
  }));
  const wholeMs = pieces.reduce((sum, { longMs }) => sum + longMs, 0);
  $('strip').replaceChildren(
    ...pieces.map(({ who, longMs }) => {
      const piece = element('span', who, who === 'nobody' ? 'nobody' : '');
      piece.style.flex = `${Math.max(longMs / wholeMs, 0.004)} 1 0`;
      piece.title = `${who}: ${seconds(longMs)}`;
      return piece;
    }),
  );
  $('strip').setAttribute('aria-label', pieces.map(({ who, longMs }) => `${who} for ${seconds(longMs)}`).join(', '));
  const newest = changes.slice(-shownTransitions).reverse();
  $('transitions').replaceChildren(
    ...newest.map((event) => element('li', `${clock(event.wallMs)}  ${event.because}`, 'quiet')),
  );
}

function showEvents({ events }) {
  const rows = [...events]
    .reverse()
    .map((event) => cells(element('tr'), clock(event.wallMs), event.by, event.kind, event.because));
  $('events').tBodies[0].replaceChildren(...rows);
}

function show(seen) {
  const { cluster, nodes } = seen.view;
  const up = nodes.filter((node) => node.state === 'run').length;
  document.title = `${up}/${nodes.length} ${cluster.name}`;
  $('title').textContent = `cluster ${cluster.name}`;
  const pause = cluster.maintenance === null ? '' : `; in maintenance: ${cluster.maintenance}`;
  $('summary').textContent = `${up} of ${nodes.length} nodes run, as ${seen.seenBy} sees it${pause}`;
  showStale(seen.staleBecause);
  showRole(seen);
  showNodes(seen);
  showMatrix(seen);
  showEvents(seen);
  $('door').hidden = true;
  $('cluster').hidden = $('skip').hidden = false;
}

function showStale(because) {
  $('stale').hidden = because === null;
  $('stale').textContent = because === null ? '' : `Old: ${because}. Below is what was seen last.`;
}

function askForToken(because) {
  sessionStorage.removeItem('token');
  token = '';
  $('refused').textContent = because;
  $('cluster').hidden = $('skip').hidden = true;
  if ($('door').hidden) {
    $('door').hidden = false;
    $('token').focus();
  }
}

async function look() {
  if (token === '') return askForToken('');
  try {
    const reply = await fetch('v1/cluster', {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(5000),
    });
    const answer = await reply.json();
    if (reply.status === 401) return askForToken(answer.because);
    if (!reply.ok) showStale(answer.because);
    else show(answer);
  } catch {
    showStale('this noded does not answer');
  }
}

$('door').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  sessionStorage.setItem('token', token);
  void look();
});

for (;;) {
  if (token !== '' || $('door').hidden) await look();
  await new Promise((resolve) => setTimeout(resolve, everyMs));
}
