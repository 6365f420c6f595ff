// What chat models write, while they write it. A new attempt writes the text again from its start.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {inWords} from '../format.js';

/** The text of each agent's last attempt. */
export function textsOf(events) {
  const texts = new Map();
  for (const event of events) {
    if (event.type !== 'agent.delta') continue;
    const {agent, attempt, text} = event.meta;
    const known = texts.get(agent);
    texts.set(agent, known?.attempt === attempt ? {attempt, text: known.text + text} : {attempt, text});
  }
  return [...texts].map(([agent, {text}]) => [agent, text]);
}

export function Writing({events}) {
  const texts = textsOf(events);
  if (!texts.length) return null;
  return html`<section class="card" aria-live="polite"><h2>What the agents write</h2>
    ${texts.map(([agent, text]) => html`<h3>${inWords(agent)}</h3><p class="letter">${text}</p>`)}
    <p class="quiet">The rules have decided; the model words it. A text that contradicts them is refused and written again.</p></section>`;
}
