// A fork: the same case from one of its checkpoints with one input changed, and what that changes.
import {html, useCallback, useEffect, useState} from '../vendor/htm-preact-3.1.1.js';
import {get, post} from '../api.js';
import {inWords} from '../format.js';
import {Difference} from './diff.js';
import {Notice, Refusal} from './notice.js';
import {Source} from './source.js';
import {useStream} from '../live.js';

const inputs = ['amount_requested', 'term_months', 'as_of_date', 'policy', 'prices', 'scorecard', 'challenger', 'fan_out_policy'];
const numbers = new Set(['amount_requested', 'term_months']);

export function Fork({run, entries}) {
  const [from, setFrom] = useState('start');
  const [name, setName] = useState('amount_requested');
  const [value, setValue] = useState('');
  const [problem, setProblem] = useState(null);
  const [forked, setForked] = useState(null);
  const body = {checkpoint: from, overrides: value ? {[name]: numbers.has(name) ? Number(value) : value} : {}};
  const send = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      setForked(await post(`/runs/${run.run_id}/resume`, body));
    } catch (refused) {
      setProblem(refused);
    }
  };
  const labels = ['start', ...entries.filter((entry) => !entry.purged_at).map((entry) => `${entry.label}/${entry.version}`)];
  return html`<p>Decide the case again from one of its checkpoints with one input changed. A what-if decides nothing, and no letter is sent.</p>
    <form class="filters" onSubmit=${send}>
      <div><label for="fork-from">From</label><select id="fork-from" value=${from} onChange=${(event) => setFrom(event.target.value)}>${labels.map((one) => html`<option value=${one}>${one}</option>`)}</select></div>
      <div><label for="fork-name">Change</label><select id="fork-name" value=${name} onChange=${(event) => setName(event.target.value)}>${inputs.map((one) => html`<option value=${one}>${inWords(one)}</option>`)}</select></div>
      <div><label for="fork-value">To</label><input id="fork-value" required value=${value} onInput=${(event) => setValue(event.target.value)} /></div>
      <div><button type="submit" class="button plain">Start the what-if</button></div></form>
    <p class="foot"><${Source} method="POST" path="/runs/${run.run_id}/resume" body=${body} /></p>
    <${Refusal} problem=${problem} />
    ${forked && html`<${Compared} key=${forked.run_id} parent=${run} forkId=${forked.run_id} />`}`;
}

/** The fork while it runs, and both results side by side when it has stopped. */
function Compared({parent, forkId}) {
  const [fork, setFork] = useState(null);
  const [found, setFound] = useState(null);
  const look = useCallback(async () => {
    const now = await get(`/runs/${forkId}`).catch(() => null);
    if (now) setFork(now);
    if (!now || ['queued', 'running'].includes(now.status)) return;
    const saved = await get(`/runs/${forkId}/checkpoints`);
    const label = saved.filter((entry) => !entry.purged_at).at(-1)?.label;
    if (label) setFound(await get(`/runs/${parent.run_id}/diff?from=${label}&to=${label}&other=${forkId}`).catch(() => null));
  }, [forkId, parent.run_id]);
  useEffect(() => {
    look();
  }, [look]);
  useStream(`/runs/${forkId}/events`, look);
  const outcome = (run) => inWords(run?.decision?.outcome ?? run?.decision?.recommendation ?? run?.status ?? 'queued');
  return html`<${Notice}><p>The <a href="/run/${forkId}">what-if</a>: <strong>${outcome(fork)}</strong>. This run: <strong>${outcome(parent)}</strong>.</p><//>
    ${found && html`<${Difference} found=${found} />`}`;
}
