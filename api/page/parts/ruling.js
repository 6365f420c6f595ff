// The gate's form, with a preview of what the ruling would bring. The preview stores nothing.
import {html, useEffect, useMemo, useState} from '../vendor/htm-preact-3.1.1.js';
import {post} from '../api.js';
import {asMoment, asMoney, asPercent, inWords, untilDue} from '../format.js';
import {savedName, saveName} from '../person.js';
import {asAnswer, Fields, fieldsOf} from './form.js';
import {Badge, Offer} from './facts.js';
import {Notice, Refusal} from './notice.js';
import {Snooze} from './snooze.js';
import {Source} from './source.js';

const PAUSE = 350;  // milliseconds after the last key before the preview is asked for
const terms = new Set(['amount', 'term_months', 'rate']);

export function Ruling({run, request, view, session, hasSigns, onAnswered}) {
  const {review} = request;
  const all = useMemo(() => fieldsOf(request.schema), [request]);
  const [values, setValues] = useState(() => startOf(all, session));
  const [problem, setProblem] = useState(null);
  const [isSending, setSending] = useState(false);
  const fields = all.filter((field) => isAsked(field, values, review, session, hasSigns));
  const body = {gate: review.gate, request_id: request.request_id, ...asAnswer(fields, values)};
  if (session.name) body.reviewer = session.name;
  const {preview, refusal, path, asked} = usePreview(run.run_id, body);

  const change = (name, value) => {
    setProblem(null);
    if (name === 'reviewer') saveName(value);
    setValues((now) => ({...now, [name]: value}));
  };
  const send = async (event) => {
    event.preventDefault();
    setSending(true);
    try {
      await post(`/runs/${run.run_id}/hitl`, body, {'If-Match': `"${request.request_id}"`});
      await onAnswered();
    } catch (refused) {
      setProblem(refused);
    } finally {
      setSending(false);
    }
  };
  const isGone = problem && [409, 410].includes(problem.status);
  return html`<section class="card"><h2>${review.request.title}</h2>
    <p class="quiet">${inWords(review.request.role)} · due <time datetime=${review.due_at} title=${asMoment(review.due_at)}>${untilDue(review.due_at)}</time>
      ${review.claim && html` · claimed by ${review.claim.reviewer}`}</p>
    ${review.request.remark && html`<${Notice} kind="warn">${review.request.remark}<//>`}
    <form onSubmit=${send} novalidate>
      <${Fields} fields=${fields} values=${values} problem=${problem ?? refusal} choices=${choicesOf(values, view, review)} onChange=${change} />
      ${isGone
        ? html`<${Notice} kind="warn"><p>${problem.message}</p><button type="button" class="button" onClick=${onAnswered}>Show the case as it is now</button><//>`
        : html`<${Refusal} problem=${problem} />`}
      <div class="send">${preview?.offer && html`<span><strong>${asMoney(preview.offer.payment)}</strong> a month, APR ${asPercent(preview.offer.apr)}</span>`}
        <button type="submit" class="button" disabled=${isSending || !values.decision}>${values.decision ? `Give the ruling: ${inWords(values.decision).toLowerCase()}` : 'Choose a decision'}</button></div>
    </form>
    <${Snooze} run=${run} review=${review} values=${values} session=${session} onSnoozed=${onAnswered} />
    <${Preview} preview=${preview} refusal=${problem ? null : refusal} />
    ${asked && html`<p class="foot quiet">Preview: <${Source} method="POST" path=${path} body=${asked} /></p>`}
  </section>`;
}

function startOf(fields, session) {
  const values = Object.fromEntries(fields.filter((field) => field.default).map((field) => [field.name, field.default]));
  return {...values, reviewer: session.name || savedName()};
}

/** Fields that cannot matter for the decision that is chosen are not shown. */
function isAsked(field, values, review, session, hasSigns) {
  if (field.name === 'reviewer') return !session.name;
  if (terms.has(field.name)) return values.decision === 'adjust';
  if (field.name === 'fraud_outcome') return hasSigns;
  if (field.name === 'waived') return review.request.facts.conditions?.length > 0;
  if (field.name === 'document_ids') return values.decision === 'supplied';
  if (field.name === 'reason_code') return values.decision === 'decline' || review.request.facts.is_override;
  return true;
}

function choicesOf(values, view, review) {
  const {facts} = review.request;
  const reasons = Object.entries((values.decision === 'decline' ? view?.decline_reasons : view?.override_reasons) ?? {});
  const fresh = (view?.documents ?? []).filter((document) => !facts.on_file?.includes(document.document_id));
  return {
    reason_code: reasons.map(([code, text]) => [code, `${text} (${code})`]),
    waived: (facts.conditions ?? []).map((code) => [code, inWords(code)]),
    document_ids: fresh.map((document) => [document.document_id, `${inWords(document.kind)} (${document.document_id})`]),
  };
}

/** What the ruling would bring, asked for again after each pause in typing. */
function usePreview(runId, body) {
  const path = `/runs/${runId}/hitl/preview`;
  const [found, setFound] = useState({});
  const draft = {...body, reviewer: body.reviewer || 'Preview', reason: (body.reason ?? '').length > 2 ? body.reason : 'A preview'};
  const asked = JSON.stringify(draft);
  useEffect(() => {
    if (!body.decision) return setFound({});
    let isOld = false;
    const timer = setTimeout(async () => {
      try {
        const preview = await post(path, draft);
        if (!isOld) setFound({preview});
      } catch (refusal) {
        if (!isOld) setFound({refusal});
      }
    }, PAUSE);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [asked]);
  return {...found, path, asked: body.decision ? draft : null};
}

function Preview({preview, refusal}) {
  if (refusal) {
    return html`<${Notice} kind="warn"><p>This ruling would be refused: ${refusal.message}</p><//>`;
  }
  if (!preview) return null;
  return html`<section class="preview" aria-live="polite"><h3>What this ruling brings</h3>
    ${preview.outcome && html`<p><${Badge} of=${preview.outcome} /> ${preview.is_override && html`<span class="badge warn">Against the policy</span>`}</p>`}
    ${preview.needs_second_person && html`<p>A second person has to agree before the decision.</p>`}
    ${preview.asks_next && html`<p>The desk asks next: <strong>${inWords(preview.asks_next)}</strong></p>`}
    <${Offer} offer=${preview.offer} />
    ${preview.conditions.length > 0 && html`<h4>Conditions</h4><ul>${preview.conditions.map((condition) => html`<li>${condition.text}</li>`)}</ul>`}
    ${preview.letters.map((letter) => html`<details><summary>The letter to the ${inWords(letter.applicant).toLowerCase()} applicant</summary><pre class="letter">${letter.text}</pre></details>`)}
  </section>`;
}
