// Canaries: what a bundle would change, how sure that is, and how it ended. Acts for roles that may.
import {html, useEffect, useRef, useState} from '../vendor/htm-preact-3.1.1.js';
import {post} from '../api.js';
import {asMoment, asPercent, asShare, inWords} from '../format.js';
import {savedName, saveName} from '../person.js';
import {Badge, Facts} from './facts.js';
import {Refusal} from './notice.js';

const ended = 3;
const rates = new Set(['approval_rate', 'decline_rate', 'referral_rate', 'error_rate', 'override_rate', 'loss_rate', 'price']);
const acts = {
  approve: ['senior_underwriter', 'compliance'],
  promote: ['senior_underwriter', 'operator'],
  stop: ['senior_underwriter', 'operator'],
};

/** All that run, and the last few that have ended. */
export function Canaries({canaries, session, onAct}) {
  const running = canaries.filter((canary) => canary.status === 'running');
  const shown = [...running, ...canaries.filter((canary) => canary.status !== 'running').slice(0, ended)];
  if (!shown.length) return html`<p class="quiet">No bundle is tried out.</p>`;
  return shown.map((canary) => html`<${Canary} key=${canary.canary_id} canary=${canary} session=${session} onAct=${onAct} />`);
}

function Canary({canary, session, onAct}) {
  const last = canary.acts.at(-1);
  const why = canary.status === 'running' ? '' : `by ${last?.by || 'the desk'}${last?.body.reason ? `: ${last.body.reason}` : ''}`;
  const compared = canary.comparisons.filter(({difference}) => difference.value !== null);
  return html`<article class="candidate"><h3>${canary.challenger} <${Badge} of=${canary.status} /></h3>
    <${Facts} rows=${[
      ['Mode', inWords(canary.mode)],
      ['Share', asShare(canary.share)],
      ['Against', canary.champion || 'the files of the data folder'],
      ['Measured', Object.entries(canary.cases).map(([arm, count]) => `${inWords(arm)} ${count}`).join(', ')],
      ['Under way', canary.waiting],
      ['Started', asMoment(canary.started_at)],
      ['Ended', canary.ended_at && asMoment(canary.ended_at)],
      [inWords(canary.status), why],
    ]} />
    ${compared.length > 0 && html`<div class="scroll" tabindex="0"><table class="list stack"><thead><tr><th scope="col">Compared</th><th scope="col">Champion and challenger</th><th scope="col">Difference (95 %)</th></tr></thead>
      <tbody>${compared.map(({metric, champion, challenger, difference}) => html`<tr><th scope="row">${inWords(metric)}</th>
        <td>${figure(metric, champion.value)} and ${figure(metric, challenger.value)}</td><td class="wide">${interval(metric, difference)}</td></tr>`)}</tbody></table></div>`}
    <h4>Guards</h4><ul>${canary.guards.map(({guard, state}) => html`<li><code>${guard}</code> <${Badge} of=${state} /></li>`)}</ul>
    ${canary.status === 'running' && html`${canary.missing.length > 0 && html`<h4>What a promotion still needs</h4><ul>${canary.missing.map((what) => html`<li>${what}</li>`)}</ul>`}
      <${Acts} canary=${canary} session=${session} onAct=${onAct} />`}</article>`;
}

const figure = (metric, value) => (value === null ? '–' : rates.has(metric) ? asPercent(value) : Number(value).toPrecision(3));
const interval = (metric, {value, low, high}) => `${value > 0 ? '+' : ''}${figure(metric, value)}, ${low === null ? 'interval not known' : `${figure(metric, low)} to ${figure(metric, high)}`}`;

function Acts({canary, session, onAct}) {
  const [act, setAct] = useState('');
  const [name, setName] = useState(session.name || savedName());
  const [reason, setReason] = useState('');
  const [problem, setProblem] = useState(null);
  const may = Object.keys(acts).filter((one) => acts[one].some((role) => session.roles.includes(role)));
  const offered = may.filter((one) => one !== 'promote' || !canary.missing.length);
  const form = useRef(null);
  useEffect(() => {
    form.current?.querySelector('input').focus();
  }, [act]);
  const id = `canary-${canary.canary_id}`;
  const send = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      if (!session.name) saveName(name);
      await post(`/canaries/${canary.canary_id}/${act}`, {reviewer: name, reason});
      setAct('');
      await onAct();
    } catch (refused) {
      setProblem(refused);
    }
  };
  if (!act) {
    return html`<p class="actions">${offered.map((one) => html`<button type="button" class="button plain" onClick=${() => setAct(one)}
      aria-label=${`${inWords(one)} ${canary.challenger}`}>${inWords(one)}…</button>`)}</p>`;
  }
  return html`<form ref=${form} onSubmit=${send}>
    ${!session.name && html`<div class="field"><label for=${`${id}-name`}>Your name</label><input id=${`${id}-name`} required maxlength="100" value=${name} onInput=${(event) => setName(event.target.value)} /></div>`}
    <div class="field"><label for=${`${id}-why`}>Why</label><input id=${`${id}-why`} maxlength="300" value=${reason} onInput=${(event) => setReason(event.target.value)} /></div>
    <${Refusal} problem=${problem} />
    <p class="actions"><button type="submit" class=${`button ${act === 'stop' ? 'danger' : ''}`}>${inWords(act)} ${canary.challenger}</button>
      <button type="button" class="link" onClick=${() => setAct('')}>Do nothing</button></p></form>`;
}
