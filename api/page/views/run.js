// One run: where it is, how it came there, and what can be done with it.
import {html, useCallback, useEffect, useRef, useState} from '../vendor/htm-preact-3.1.1.js';
import {get, post} from '../api.js';
import {asMoment, asShare, inWords} from '../format.js';
import {Checkpoints} from '../parts/diff.js';
import {Badge, Facts} from '../parts/facts.js';
import {Feed} from '../parts/feed.js';
import {Fork} from '../parts/fork.js';
import {WorkflowMap} from '../parts/map.js';
import {Connection, Loading, Notice, Refusal} from '../parts/notice.js';
import {Source} from '../parts/source.js';
import {State} from '../parts/state.js';
import {Timeline} from '../parts/timeline.js';
import {Writing} from '../parts/writing.js';
import {useStream} from '../live.js';

const PAUSE = 400;  // milliseconds in which news are collected before the summary is read again

export function Run({id}) {
  const [run, setRun] = useState(null);
  const [events, setEvents] = useState([]);
  const [known, setKnown] = useState(null);
  const [problem, setProblem] = useState(null);
  const collected = useRef([]);
  const timer = useRef(0);
  const read = useCallback(() => Promise.all([get(`/runs/${id}`), get(`/runs/${id}/state`)])
    .then(([found, state]) => {
      setRun(found);
      setKnown(state);
    }, setProblem), [id]);
  useEffect(() => {
    read();
    return () => clearTimeout(timer.current);
  }, [read]);
  // A run that has much to say sends many frames at once: they are drawn together.
  const happened = useCallback((frames) => {
    const first = collected.current.at(-1)?.id ?? 0;
    collected.current.push(...frames.map((frame) => JSON.parse(frame.data)).filter((event) => event.id > first));
    clearTimeout(timer.current);
    requestAnimationFrame(() => setEvents([...collected.current]));
    timer.current = setTimeout(read, PAUSE);
  }, [read]);
  const connection = useStream(`/runs/${id}/events`, happened);

  if (problem && !run) return html`<h1>Run</h1><${Refusal} problem=${problem} />`;
  if (!run) return html`<${Loading} what="the run" />`;
  document.title = `${run.application_id} · Run · Credit Desk`;
  const act = (path) => async () => {
    setProblem(null);
    try {
      await post(path);
      await read();
    } catch (refused) {
      setProblem(refused);
    }
  };
  const {checkpoints} = known;
  const hasEnded = ['completed', 'failed', 'cancelled'].includes(run.status);
  return html`
    <div class="title"><h1>${run.application_id}</h1><${Badge} of=${run.status} />
      ${run.decision?.outcome && html`<${Badge} of=${run.decision.outcome} />`}
      <a href="/case/${id}">The case</a></div>
    <${Connection} state=${connection} />
    <${Refusal} problem=${problem} />
    ${run.lineage && html`<${Lineage} run=${run} />`}
    ${run.error && html`<${Notice} kind="bad"><p>${run.error.message}</p><//>`}
    ${run.waiting_for && html`<${Notice}><p>Waits for ${inWords(run.waiting_for.role).toLowerCase()}: <a href="/case/${id}">${run.waiting_for.title}</a></p><//>`}
    <section class="card"><h2>Progress</h2>
      <progress max="1" value=${run.progress}>${asShare(run.progress)}</progress> <span class="num">${asShare(run.progress)}</span>
      <${Timeline} events=${events} /></section>
    <section class="card"><h2>Map</h2><${WorkflowMap} runId=${id} events=${events} /></section>
    <${Writing} events=${events} />
    <section class="card"><h2>About this run</h2><${Facts} rows=${[
      ['Run', html`<code>${run.run_id}</code>`],
      ['Started', asMoment(run.created_at)],
      ['Last change', asMoment(run.updated_at)],
      ['Workflow', run.workflow_version],
      ['Chat model', run.model_use && modelUse(run.model_use)],
      ['Legal hold', run.legal_hold ? 'Nothing of it may be purged' : null],
    ]} />
    <p class="actions">
      ${run.status === 'failed' && html`<button type="button" class="button" onClick=${act(`/runs/${id}/resume`)}>Resume</button>`}
      ${!hasEnded && html`<${Cancel} onCancel=${act(`/runs/${id}/cancel`)} />`}
      ${run.links.decision && html`<a class="button plain" href="/runs/${id}/notice" target="_blank" rel="noopener">Letter</a>
        <a class="button plain" href="/runs/${id}/decision" target="_blank" rel="noopener">Decision</a>`}
      <a class="button plain" href="/runs/${id}/audit" target="_blank" rel="noopener">Audit pack</a>
      ${run.links.trace && html`<a class="button plain" href=${run.links.trace} target="_blank" rel="noopener">Trace</a>`}
      ${run.links.prefect && html`<a class="button plain" href=${run.links.prefect} target="_blank" rel="noopener">Prefect</a>`}</p>
    <p class="foot"><${Source} path="/runs/${id}" /></p></section>
    <${State} state=${known.state} memory=${known.memory} />
    <section class="card"><h2>Checkpoints</h2><${Checkpoints} key=${checkpoints.length} runId=${id} entries=${checkpoints} /></section>
    <section class="card"><h2>What if</h2><${Fork} run=${run} entries=${checkpoints} /></section>
    <section class="card"><h2>Events</h2><${Feed} events=${events} spanLink=${run.links.span} /></section>`;
}

function Lineage({run}) {
  const {parent_run_id: parent, forked_at: at, overrides, may_decide: decides} = run.lineage;
  const changed = Object.entries(overrides).map(([name, value]) => `${inWords(name)}: ${value}`).join(', ');
  return html`<${Notice} kind="warn"><p>${decides ? 'A fork that may decide' : 'A what-if: it decides nothing'}, from <a href="/run/${parent}">another run</a> at ${at}${changed && `, with ${changed}`}.</p><//>`;
}

const modelUse = (use) => `${use.prompt_tokens + use.completion_tokens} tokens, ${use.cost_usd === null ? 'cost unknown' : `$${use.cost_usd}`}`;

function Cancel({onCancel}) {
  const [sure, setSure] = useState(false);
  if (!sure) return html`<button type="button" class="button plain" onClick=${() => setSure(true)}>Cancel the run</button>`;
  return html`<span>A cancelled run cannot go on. <button type="button" class="button danger" onClick=${onCancel}>Cancel it for good</button>
    <button type="button" class="link" onClick=${() => setSure(false)}>Keep it</button></span>`;
}
