// One case, everything that is needed to rule on it, and the form of the gate beside it.
import {html, useCallback, useEffect, useRef, useState} from '../vendor/htm-preact-3.1.1.js';
import {get} from '../api.js';
import {asMoment, inWords} from '../format.js';
import {Connection, Loading, Notice, Refusal} from '../parts/notice.js';
import {Badge, Offer} from '../parts/facts.js';
import {Affordability, Applicants, Bureau, Documents, Earlier, Fraud, Identity, Income, Risk, Rulings, SamePeople} from '../parts/evidence.js';
import {Rules} from '../parts/rules.js';
import {Ruling} from '../parts/ruling.js';
import {Notes} from '../parts/notes.js';
import {Source} from '../parts/source.js';
import {State} from '../parts/state.js';
import {useStream} from '../live.js';

const news = new Set(['waiting', 'hitl.resolved', 'hitl.rejected', 'hitl.escalated', 'run.completed', 'run.failed', 'run.cancelled', 'run.resumed']);
const told = new Set(['note.added', 'hitl.snoozed', 'hitl.woken']);
const reads = ['run', 'case', 'state'];

async function load(id) {
  const run = await get(`/runs/${id}`);
  const optional = (path) => get(path).catch(() => null);
  const [found, state, application, request, decision] = await Promise.all([
    optional(`/runs/${id}/case`),
    get(`/runs/${id}/state`),
    optional(`/applications/${encodeURIComponent(run.application_id)}`),
    run.status === 'waiting' ? optional(`/runs/${id}/hitl`) : null,
    run.status === 'completed' ? optional(`/runs/${id}/decision`) : null,
  ]);
  return {run, case: found, state: state.state, memory: state.memory, application, request, decision};
}

export function Case({id, session}) {
  const [known, setKnown] = useState(null);
  const [problem, setProblem] = useState(null);
  const [stale, setStale] = useState('');
  const asked = useRef('');
  const heard = useRef(0);
  const read = useCallback(async () => {
    const before = heard.current;
    try {
      const found = await load(id);
      asked.current = found.request?.request_id ?? '';
      setStale('');
      setKnown(found);
    } catch (refused) {
      setProblem(refused);
    }
    if (heard.current !== before) await read();  // the run went on while the case was read
  }, [id]);
  useEffect(() => {
    read();
  }, [read]);
  // What others do beside the ruling must not touch what this person types.
  const refresh = useCallback(async () => {
    const [found, request] = await Promise.all(['case', 'hitl'].map((name) => get(`/runs/${id}/${name}`).catch(() => null)));
    setKnown((now) => now && {...now, case: found ?? now.case, request: request?.request_id === now.request?.request_id ? request : now.request});
  }, [id]);
  const happened = useCallback((frames) => {
    if (frames.some((frame) => told.has(frame.event))) refresh();
    if (!frames.some((frame) => news.has(frame.event))) return;
    heard.current += 1;
    get(`/runs/${id}`).then(async (run) => {
      const request = run.status === 'waiting' ? await get(`/runs/${id}/hitl`).catch(() => null) : null;
      const now = request?.request_id ?? '';
      if (!asked.current) return read();
      if (now !== asked.current) setStale(run.status);
    }, () => {});
  }, [id, read, refresh]);
  const connection = useStream(`/runs/${id}/events`, happened);
  if (problem && !known) return html`<h1>Case</h1><${Refusal} problem=${problem} />`;
  if (!known) return html`<${Loading} what="the case" />`;
  const {run, application, request, decision} = known;
  document.title = `${run.application_id} · Case · Credit Desk`;
  const view = known.case;
  return html`
    <div class="title"><h1>${run.application_id}</h1><${Badge} of=${decision?.content.outcome ?? run.status} />
      ${view?.recommendation && html`<span>Policy: <strong>${inWords(view.recommendation)}</strong></span>`}
      <span class="quiet">received ${asMoment(application?.received_at ?? run.created_at)}</span>
      <a href="/run/${id}">The run</a><${Beside} view=${view} /></div>
    <${Connection} state=${connection} />
    ${stale && html`<${Notice} kind="warn"><p>This screen is stale: the desk does not ask for this ruling any more. The run is ${stale}.</p>
      <button type="button" class="button" onClick=${read}>Show the case as it is now</button><//>`}
    <div class="case">
      <div class="evidence">
        ${view && html`<section class="card"><h2>Why a person is asked</h2><${Rules} rules=${view.rules} reasons=${view.decline_reasons} asked=${request?.review.request.reasons ?? []} /></section>`}
        ${view && html`<${Notes} run=${run} notes=${view.notes} session=${session} onWritten=${refresh} />`}
        <${SamePeople} others=${view?.other_applications} />
        <${Risk} risk=${known.state.risk_ensemble} factors=${view?.factors ?? []} />
        <${Affordability} ability=${known.state.risk_ensemble?.ability} />
        <${Income} income=${known.state.verification?.income} />
        <${Bureau} bureau=${known.state.bureau} />
        <${Identity} kyc=${known.state.verification?.kyc} candidates=${request?.candidates ?? []} />
        <${Fraud} fraud=${known.state.verification?.fraud} />
        <${Applicants} application=${application} />
        <${Documents} documents=${view?.documents ?? []} intake=${known.state.doc_intake} />
        <${Earlier} earlier=${view?.earlier ?? []} />
        <${State} state=${known.state} memory=${known.memory} />
        <p class="foot">${reads.map((name) => html`<span class="quiet">${inWords(name)}: <${Source} path=${pathOf(name, id)} /></span> `)}</p>
      </div>
      <aside class="ruling" aria-label="The ruling">
        <${Asked} application=${application} />
        ${request
          ? html`<${Ruling} key=${request.request_id} run=${run} request=${request} view=${view} session=${session}
            hasSigns=${known.state.verification?.fraud?.signals?.length > 0} onAnswered=${read} />`
          : html`<${After} run=${run} decision=${decision} />`}
        <${Rulings} rulings=${known.state.rulings ?? []} />
        ${request && (view?.offer
          ? html`<div class="card"><${Offer} offer=${view.offer} title="Price of what is asked" /></div>`
          : view?.no_offer && html`<p class="quiet">No price for what is asked: ${view.no_offer}</p>`)}
      </aside>
    </div>`;
}

const pathOf = (name, id) => (name === 'run' ? `/runs/${id}` : `/runs/${id}/${name}`);

/** What others have said and filed, to be seen before a ruling: on a phone it stands below the form. */
function Beside({view}) {
  const counts = [['notes', 'note', view?.notes], ['others', 'other application', view?.other_applications]];
  return counts.filter(([, , found]) => found?.length).map(([place, name, found]) => html`
    <a href="#${place}">${found.length} ${name}${found.length > 1 ? 's' : ''}</a>`);
}

function Asked({application}) {
  if (!application) return null;
  return html`<section class="card"><h2>What is asked</h2>
    <p class="figure">$${Number(application.amount_requested).toLocaleString('en-US')} <span class="quiet">over ${application.term_months} months</span></p>
    <p class="quiet">${inWords(application.product)} for ${inWords(application.purpose).toLowerCase()}, ${application.state}</p></section>`;
}

function After({run, decision}) {
  if (decision) {
    const {content, notices} = decision;
    return html`<section class="card"><h2>Decided</h2><p><${Badge} of=${content.outcome} /> on ${asMoment(decision.decided_at)}</p>
      <${Offer} offer=${content.offer} />
      ${notices.length > 0 && html`<ul>${notices.map((notice) => html`<li>
        <a href="/runs/${run.run_id}/notice?applicant=${notice.applicant}" target="_blank" rel="noopener">Letter to the ${inWords(notice.applicant).toLowerCase()} applicant</a></li>`)}</ul>`}
      <p><a href="/">Back to the inbox</a></p></section>`;
  }
  if (run.status === 'failed') {
    return html`<${Notice} kind="bad"><p>The run has failed: ${run.error?.message}</p><p><a href="/run/${run.run_id}">Resume it from the run's page</a></p><//>`;
  }
  return html`<${Notice}><p>Nothing is asked of a person now. The run is ${run.status}; this page follows it.</p><//>`;
}
