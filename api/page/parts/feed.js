// The events of a run, newest first. Only a part is drawn, so that thousands stay fast.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {inWords} from '../format.js';

const PART = 100;

export function Feed({events, spanLink}) {
  const [shown, setShown] = useState(PART);
  const [kind, setKind] = useState('');
  const kinds = [...new Set(events.map((event) => event.type))].sort();
  const found = kind ? events.filter((event) => event.type === kind) : events;
  const drawn = found.slice(-shown).reverse();
  return html`<div class="filters"><div><label for="kind">Show</label><select id="kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>
      <option value="">Every event (${events.length})</option>${kinds.map((one) => html`<option value=${one}>${one}</option>`)}</select></div></div>
    <ol class="feed" reversed start=${found.length}>${drawn.map((event) => html`<li key=${event.id}>
      <time datetime=${event.ts}>${event.ts.slice(11, 23)}</time>
      <span class="badge">${event.type}</span>
      <span>${event.message || inWords(event.type)}</span>
      ${spanLink && event.span_id && html`<a href=${spanLink.replace('{span_id}', event.span_id)} target="_blank" rel="noopener">Span</a>`}</li>`)}</ol>
    ${found.length > shown && html`<button type="button" class="button plain" onClick=${() => setShown(shown + 10 * PART)}>Show older events (${found.length - shown})</button>`}`;
}
