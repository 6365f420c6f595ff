// The desk itself: is it healthy, what is under way, how old is what waits, and what was decided.
import {html, useCallback, useEffect, useState} from '../vendor/htm-preact-3.1.1.js';
import {get} from '../api.js';
import {asDuration, asMoment, inWords} from '../format.js';
import {Canaries} from '../parts/canaries.js';
import {Badge, Facts, Meter} from '../parts/facts.js';
import {Connection, Loading, Refusal} from '../parts/notice.js';
import {useStream} from '../live.js';

const under = ['queued', 'running', 'waiting', 'failed'];
const ages = [['Less than an hour', 3600], ['Less than a day', 86_400], ['Less than three days', 259_200], ['Longer', Infinity]];

async function load() {
  const optional = (path) => get(path).catch(() => null);
  const [health, inbox, agreement, canaries, recent, ...lists] = await Promise.all([
    get('/health/ready').catch((refused) => ({ready: false, checks: {}, message: refused.message})),
    get('/inbox?limit=200'), optional('/reviews/agreement'), optional('/canaries'), get('/runs?status=completed&limit=200'),
    ...under.map((status) => get(`/runs?status=${status}&limit=200`)),
  ]);
  return {health, inbox, agreement, canaries, recent, lists};
}

export function Operations({session}) {
  const [known, setKnown] = useState(null);
  const [problem, setProblem] = useState(null);
  const read = useCallback(() => load().then(setKnown, setProblem), []);
  useEffect(() => {
    read();
  }, [read]);
  const connection = useStream('/inbox/events', read);
  document.title = 'Operations · Credit Desk';
  if (!known) return html`<h1>Operations</h1>${problem ? html`<${Refusal} problem=${problem} />` : html`<${Loading} what="the desk" />`}`;
  const {health, inbox, agreement, canaries, recent, lists} = known;
  const most = Math.max(1, ...lists.map((list) => list.items.length));
  return html`<div class="title"><h1>Operations</h1><${Badge} of=${health.ready ? 'healthy' : 'failed'} />
      <button type="button" class="button plain" onClick=${read}>Look again</button></div>
    <${Connection} state=${connection} />
    <div class="columns">
      <section class="card"><h2>Health</h2><${Facts} rows=${Object.entries(health.checks ?? {}).map(([name, works]) => [inWords(name), works ? 'answers' : html`<span class="badge bad">Does not answer</span>`])} />
        ${health.message && html`<p>${health.message}</p>`}</section>
      <section class="card"><h2>Runs under way</h2><div class="meters">${lists.map((list, place) => html`<${Meter} label=${inWords(under[place])}
        value=${list.items.length} max=${most} text=${list.next_cursor ? '200 or more' : String(list.items.length)} />`)}</div>
        <p><a href="/all-runs?status=failed">Failed runs</a></p></section>
      <${Ageing} items=${inbox.items} hasMore=${inbox.next_cursor} />
      <${Days} runs=${recent.items} />
      ${agreement && html`<section class="card"><h2>People and the policy</h2><${Facts} rows=${Object.entries(agreement)
        .filter(([, value]) => ['number', 'string'].includes(typeof value)).map(([name, value]) => [inWords(name), value])} /></section>`}
    </div>
    <${Canaries} canaries=${canaries?.items ?? []} session=${session} onAct=${read} />`;
}

function Ageing({items, hasMore}) {
  const rest = [...items];
  const bars = ages.map(([label, below]) => {
    const count = rest.filter((item) => item.age_seconds < below).length;
    rest.splice(0, rest.length, ...rest.filter((item) => item.age_seconds >= below));
    return [label, count];
  });
  const late = items.filter((item) => new Date(item.due_at) < new Date()).length;
  const oldest = Math.max(0, ...items.map((item) => item.age_seconds));
  return html`<section class="card"><h2>What waits for people</h2><div class="meters">${bars.map(([label, count]) => html`<${Meter}
    label=${label} value=${count} max=${Math.max(1, items.length)} text=${String(count)} />`)}</div>
    <p>${hasMore ? '200 or more' : items.length} open, ${late} late${oldest ? `, the oldest for ${asDuration(oldest)}` : ''}. <a href="/">Open the inbox</a></p></section>`;
}

/** Decisions by day and outcome, of the last 200 completed runs. */
function Days({runs}) {
  const days = new Map();
  for (const run of runs) {
    const outcome = run.decision?.outcome;
    if (!outcome || run.decision.what_if) continue;
    const day = run.updated_at.slice(0, 10);
    const counts = days.get(day) ?? {};
    days.set(day, {...counts, [outcome]: (counts[outcome] ?? 0) + 1});
  }
  const outcomes = [...new Set([...days.values()].flatMap(Object.keys))].sort();
  return html`<section class="card"><h2>Decisions by day</h2>${days.size === 0 ? html`<p class="quiet">No run has decided yet.</p>` : html`<div class="scroll" tabindex="0"><table class="list">
    <thead><tr><th scope="col">Day</th>${outcomes.map((outcome) => html`<th scope="col" class="right">${inWords(outcome)}</th>`)}</tr></thead>
    <tbody>${[...days].map(([day, counts]) => html`<tr><th scope="row">${day}</th>${outcomes.map((outcome) => html`<td class="right num">${counts[outcome] ?? 0}</td>`)}</tr>`)}</tbody></table></div>
    <p class="quiet">Of the last ${runs.length} completed runs, as of ${asMoment(new Date().toISOString())}.</p>`}</section>`;
}
