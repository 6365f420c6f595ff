// What a run knows so far: what each stage has written, and what agents and people have said.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {inWords} from '../format.js';

export function State({state, memory}) {
  const written = Object.entries(state).filter(([, value]) => value !== null);
  return html`${written.length > 0 && html`<details class="card"><summary>State of the run (${written.length})</summary>
      ${written.map(([name, value]) => html`<details key=${name}><summary>${inWords(name)}</summary><pre class="letter">${JSON.stringify(value, null, 2)}</pre></details>`)}</details>`}
    ${memory.length > 0 && html`<details class="card"><summary>Messages of the agents (${memory.length})</summary>
      <ol class="messages">${memory.map((message) => html`<li key=${message.n}><strong>${inWords(message.author)}</strong> <span class="quiet">${inWords(message.stage)}</span><br />${message.text}</li>`)}</ol></details>`}`;
}
