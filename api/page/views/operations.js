// The desk itself: is it healthy, what is under way, how old is what waits, and what was decided.
import {html, useCallback} from '../vendor/htm-preact-3.1.1.js';
import {asCount, asDuration, inWords} from '../format.js';
import {Canaries} from '../parts/canaries.js';
import {Days} from '../parts/days.js';
import {Badge, Facts, Meter} from '../parts/facts.js';
import {Connection, Notice} from '../parts/notice.js';
import {Part, usePart} from '../parts/part.js';
import {Source} from '../parts/source.js';
import {useStream} from '../live.js';

const ages = [['Less than an hour', 3600], ['Less than a day', 86_400], ['Less than three days', 259_200], ['Longer', Infinity]];
const readiness = (refused) => refused.body.checks && refused.body;  // 503 says what is out of reach
const decided = '/decisions/days';

export function Operations({session}) {
  const health = usePart('/health/ready', readiness);
  const workload = usePart('/workload');
  const inbox = usePart('/inbox?limit=200');
  const days = usePart(decided);
  const agreement = usePart('/reviews/agreement');
  const canaries = usePart('/canaries');
  const parts = [health, workload, inbox, days, agreement, canaries];
  const read = useCallback(() => parts.forEach((part) => part.read()), []);
  const connection = useStream('/inbox/events', read);
  document.title = 'Operations · Credit Desk';
  return html`<div class="title"><h1>Operations</h1>${health.found && html`<${Badge} of=${health.found.ready ? 'healthy' : 'failed'} />`}
      <button type="button" class="button plain" onClick=${read}>Look again</button></div>
    <${Connection} state=${connection} />
    <${Part} title="Decisions by day" of=${days} draw=${(found) => html`<${Days} found=${found} path=${decided} />`} />
    <div class="columns">
      <${Part} title="Runs" of=${workload} draw=${(found) => html`<${Runs} workload=${found} />`} />
      <${Part} title="Workers" of=${workload} draw=${(found) => html`<${Workers} workload=${found} />`} />
      <${Part} title="What waits for people" of=${inbox} draw=${(found) => html`<${Ageing} items=${found.items} hasMore=${found.next_cursor} />`} />
      <${Part} title="Health" of=${health} draw=${({checks}) => html`<${Facts} rows=${Object.entries(checks)
        .map(([name, works]) => [inWords(name), works ? 'answers' : html`<span class="badge bad">Does not answer</span>`])} />`} />
      <${Part} title="People and the policy" of=${agreement} draw=${(found) => html`<${Facts} rows=${Object.entries(found)
        .filter(([, value]) => ['number', 'string'].includes(typeof value)).map(([name, value]) => [inWords(name), value])} />`} />
    </div>
    <${Part} title="Canaries" of=${canaries} draw=${({items}) => html`<${Canaries} canaries=${items} session=${session} onAct=${canaries.read} />`} />`;
}

function Runs({workload}) {
  const counts = Object.entries(workload.runs);
  const most = Math.max(1, ...counts.map(([, count]) => count));
  return html`<div class="meters">${counts.map(([status, count]) => html`<${Meter} label=${inWords(status)} value=${count} max=${most} text=${asCount(count)} />`)}</div>
    <p>${workload.runs.queued ? `The first in the queue has waited ${asDuration(workload.queued_seconds)} for a worker. ` : 'No run waits for a worker. '}
      <a href="/all-runs?status=failed">Failed runs</a></p>`;
}

/** Who executes what. A worker that Prefect has not heard of lately may be dead: its runs are taken over. */
function Workers({workload}) {
  const {workers, prefect_answers: isComplete} = workload;
  return html`${!isComplete && html`<${Notice} kind="warn">Prefect does not answer: workers without a run are not known.<//>`}
    ${isComplete && !workers.length && html`<${Notice} kind="bad">No worker is there. Runs stay in the queue until one starts.<//>`}
    <ul class="workers">${workers.map((worker) => html`<li key=${worker.name}><code>${worker.name}</code> ${worker.heard_of === false && html`<span class="badge warn">Silent</span>`}
      ${worker.runs.length === 0 ? html`<p class="quiet">executes no run now</p>` : html`<ul>${worker.runs.map((run) => html`<li key=${run.run_id}>
        <a href="/run/${run.run_id}">${run.application_id}</a> <span class="quiet">${inWords(run.phase)}</span></li>`)}</ul>`}</li>`)}</ul>
    <p class="foot"><${Source} path="/workload" /></p>`;
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
  return html`<div class="meters">${bars.map(([label, count]) => html`<${Meter}
    label=${label} value=${count} max=${Math.max(1, items.length)} text=${String(count)} />`)}</div>
    <p>${hasMore ? '200 or more' : items.length} open, ${late} late${oldest ? `, the oldest for ${asDuration(oldest)}` : ''}. <a href="/">Open the inbox</a></p>`;
}
