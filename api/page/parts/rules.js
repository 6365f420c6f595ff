// What the policy said, in the words of its owner: the rules that were hit, and the others on demand.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {asFact, inWords} from '../format.js';
import {Badge} from './facts.js';

export function Rules({rules, reasons, asked}) {
  const [all, setAll] = useState(false);
  if (!rules.length) {
    return html`<ul>${asked.map((reason) => html`<li><strong>${inWords(reason)}</strong></li>`)}</ul>
      <p class="quiet">The policy has not judged this case yet.</p>`;
  }
  const hit = rules.filter((rule) => rule.status !== 'not_hit');
  return html`
    ${hit.length === 0 && html`<p>No rule was hit.</p>`}
    <ul class="rules">${(all ? rules : hit).map((rule) => html`<${Rule} key=${rule.rule_id} rule=${rule} reasons=${reasons} />`)}</ul>
    <button type="button" class="link" aria-expanded=${all} onClick=${() => setAll(!all)}>
      ${all ? 'Show only the rules that were hit' : `Show all ${rules.length} rules`}</button>`;
}

function Rule({rule, reasons}) {
  const facts = Object.entries(rule.inputs);
  return html`<li class=${rule.status === 'not_hit' ? 'silent' : ''}>
    <p><strong>${rule.label}</strong> ${rule.status === 'not_hit' ? html`<span class="badge">Not hit</span>` : html`<${Badge} of=${rule.outcome} />`}
      ${rule.severity === 'hard' && html`<span class="badge">Hard rule</span>`}
      ${rule.status === 'not_evaluable' && html`<span class="badge warn">A fact is missing</span>`}</p>
    <p class="quiet">${facts.map(([name, value]) => `${inWords(name)}: ${asFact(name, value)}`).join(' · ')}</p>
    <p class="quiet"><code>${rule.rule_id}</code> · ${rule.condition} · ${reasons[rule.reason] ?? 'Internal: a letter never names it'}${rule.source ? ` · ${rule.source}` : ''}</p>
  </li>`;
}
