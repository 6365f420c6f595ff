// Two checkpoints side by side: every changed value with its path, before and after.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {get} from '../api.js';
import {Notice, Refusal} from './notice.js';
import {Source} from './source.js';

const named = (entry) => `${entry.label}/${entry.version}`;

export function Checkpoints({runId, entries}) {
  const kept = entries.filter((entry) => !entry.purged_at);
  const [from, setFrom] = useState(kept.at(-2) ? named(kept.at(-2)) : '');
  const [to, setTo] = useState(kept.at(-1) ? named(kept.at(-1)) : '');
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  if (!kept.length) return html`<p class="quiet">No checkpoint is saved yet.</p>`;
  const path = `/runs/${runId}/diff?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`;
  const compare = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      setFound(await get(path));
    } catch (refused) {
      setProblem(refused);
    }
  };
  const options = kept.map((entry) => html`<option value=${named(entry)}>${named(entry)}</option>`);
  return html`<form class="filters" onSubmit=${compare}>
      <div><label for="from">From</label><select id="from" value=${from} onChange=${(event) => setFrom(event.target.value)}>${options}</select></div>
      <div><label for="to">To</label><select id="to" value=${to} onChange=${(event) => setTo(event.target.value)}>${options}</select></div>
      <div><button type="submit" class="button plain">Compare</button></div></form>
    <${Refusal} problem=${problem} />
    ${found && html`<${Difference} found=${found} /><p class="foot"><${Source} path=${path} /></p>`}`;
}

export function Difference({found}) {
  const {changes, summary} = found;
  if (!changes.length) return html`<${Notice}>The two are equal.<//>`;
  return html`<p><strong>${summary}</strong></p><div class="scroll" tabindex="0"><table class="list diff"><thead><tr><th scope="col">Where</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
    <tbody>${changes.map((change) => html`<tr><th scope="row"><code>${change.path}</code></th><td class="before">${shown(change.before)}</td><td class="after">${shown(change.after)}</td></tr>`)}</tbody></table></div>`;
}

function shown(value) {
  if (value === undefined || value === null) return '–';
  if (typeof value !== 'object') return String(value);
  const text = JSON.stringify(value, null, 1);
  if (text.length < 200) return html`<pre class="plain">${text}</pre>`;
  return html`<details><summary>${Object.keys(value).length} values</summary><pre class="plain">${text}</pre></details>`;
}
