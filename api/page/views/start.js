// Submit an application: one of the synthetic applicants, or a file.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {post} from '../api.js';
import {Drop} from '../parts/drop.js';
import {Refusal} from '../parts/notice.js';
import {Source} from '../parts/source.js';
import {navigate} from '../router.js';

const personas = ['ada-prime', 'bora-borderline', 'connie-counter', 'dee-debtor', 'jo-kit-joint', 'leo-large', 'max-missing', 'pat-potential', 'stella-stress', 'theo-thinfile', 'uma-override'];

export function Start() {
  const [name, setName] = useState('');
  const [as, setAs] = useState('');
  const [problem, setProblem] = useState(null);
  document.title = 'Start · Credit Desk';
  const submit = async (body) => {
    setProblem(null);
    try {
      const run = await post('/runs', body);
      navigate(`/run/${run.run_id}`);
    } catch (refused) {
      setProblem(refused);
    }
  };
  const body = {application_id: name, ...(as && {options: {as}})};
  const sent = (event) => {
    event.preventDefault();
    submit(body);
  };
  const dropped = async (file) => {
    try {
      const application = JSON.parse(await file.text());
      await submit({application: application.case ?? application});
    } catch (bad) {
      setProblem(bad.status === undefined ? {message: `${file.name} is no JSON document: ${bad.message}`} : bad);
    }
  };
  return html`<div class="title"><h1>Start a case</h1></div><${Refusal} problem=${problem} />
    <div class="columns"><section class="card"><h2>An application on file</h2>
      <form onSubmit=${sent}>
        <div class="field"><label for="application-id">Application</label>
          <input id="application-id" list="personas" required autocomplete="off" value=${name} onInput=${(event) => setName(event.target.value.trim())} />
          <datalist id="personas">${personas.map((one) => html`<option value=${one} />`)}</datalist>
          <p class="help">A synthetic applicant such as <code>bora-borderline</code>, or the id of an application that the desk has.</p></div>
        <div class="field"><label for="as">File it as <span class="quiet">(optional)</span></label>
          <input id="as" autocomplete="off" value=${as} onInput=${(event) => setAs(event.target.value.trim())} />
          <p class="help">Another id makes a copy, so that the same applicant can be underwritten again.</p></div>
        <button type="submit" class="button">Submit</button></form>
      <p class="foot"><${Source} method="POST" path="/runs" body=${body} /></p></section>
    <section class="card"><h2>A file</h2>
      <${Drop} id="application-file" accept=".json,application/json" label="An application as JSON, with its documents and bureau report" onFile=${dropped} />
    </section></div>`;
}
