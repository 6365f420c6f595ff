// Put a request aside until a day, with a reason. Its due time stays, and it comes back by itself.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {call, post} from '../api.js';
import {asMoment} from '../format.js';
import {Notice, Refusal} from './notice.js';

export function Snooze({run, review, values, session, onSnoozed}) {
  const [isOpen, setOpen] = useState(false);
  const [until, setUntil] = useState('');
  const [reason, setReason] = useState('');
  const [problem, setProblem] = useState(null);
  const path = `/runs/${run.run_id}/hitl/snooze`;
  const reviewer = session.name || values.reviewer;
  const act = (task) => async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      await task();
      setOpen(false);
      await onSnoozed();
    } catch (refused) {
      setProblem(refused);
    }
  };
  if (review.snooze) {
    const wake = act(() => call('DELETE', `${path}?reviewer=${encodeURIComponent(reviewer)}`));
    return html`<${Notice}><p>Snoozed until ${asMoment(review.snooze.until)} by ${review.snooze.by}: ${review.snooze.reason}</p>
      <button type="button" class="button plain" onClick=${wake}>Back to the inbox now</button><//><${Refusal} problem=${problem} />`;
  }
  if (!isOpen) return html`<p class="foot"><button type="button" class="link" onClick=${() => setOpen(true)}>Snooze…</button></p>`;
  const put = act(() => post(path, {reviewer, reason, until: until && new Date(until).toISOString()}));
  return html`<form class="snooze" onSubmit=${put}><h3>Snooze</h3>
    <div class="field"><label for="snooze-until">Until</label><input id="snooze-until" type="datetime-local" required value=${until} onInput=${(event) => setUntil(event.target.value)} />
      <p class="help">Before ${asMoment(review.due_at)}: the due time stays.</p></div>
    <div class="field"><label for="snooze-reason">Why</label><input id="snooze-reason" required minlength="3" maxlength="500" value=${reason} onInput=${(event) => setReason(event.target.value)} /></div>
    <${Refusal} problem=${problem} />
    <p class="actions"><button type="submit" class="button plain">Put it aside</button>
      <button type="button" class="link" onClick=${() => setOpen(false)}>Keep it here</button></p></form>`;
}
