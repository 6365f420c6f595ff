// Notes on a case, for the people who rule on it, and the field to write one.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {post} from '../api.js';
import {asMoment} from '../format.js';
import {savedName, saveName} from '../person.js';
import {Refusal} from './notice.js';

const writers = ['intake', 'underwriter', 'senior_underwriter', 'compliance'];

export function Notes({run, notes, session, onWritten}) {
  const [text, setText] = useState('');
  const [name, setName] = useState(session.name || savedName());
  const [isSent, setSent] = useState(false);
  const [problem, setProblem] = useState(null);
  const write = async (event) => {
    event.preventDefault();
    if (isSent) return;
    setSent(true);
    setProblem(null);
    try {
      if (!session.name) saveName(name);
      await post(`/runs/${run.run_id}/notes`, {reviewer: name, text});
      setText('');
      await onWritten();
    } catch (refused) {
      setProblem(refused);
    }
    setSent(false);
  };
  const mayWrite = writers.some((role) => session.roles.includes(role));
  if (!mayWrite && !notes.length) return null;
  return html`<section class="card" aria-labelledby="notes"><h2 id="notes">Notes</h2>
    <ul class="notes" aria-live="polite">${notes.map((note) => html`<li key=${note.note_id}><strong>${note.author}</strong> <time class="quiet" datetime=${note.written_at}>${asMoment(note.written_at)}</time>
      <p class="plain">${note.text}</p></li>`)}</ul>
    ${mayWrite && html`<details><summary>Write a note</summary><form onSubmit=${write}>
      <div class="field"><label for="note-text">Note</label><textarea id="note-text" rows="3" required minlength="3" maxlength="2000" aria-describedby="note-help" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
        <p class="help" id="note-help">For the people who rule on this case. Leave out numbers, birth dates and addresses of the applicants.</p></div>
      ${!session.name && html`<div class="field"><label for="note-by">Written by</label><input id="note-by" required maxlength="100" value=${name} onInput=${(event) => setName(event.target.value)} /></div>`}
      <${Refusal} problem=${problem} />
      <p class="actions"><button type="submit" class="button plain" disabled=${isSent}>Keep the note</button></p></form></details>`}</section>`;
}
