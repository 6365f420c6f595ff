// Portfolios: upload a file, watch it, and read what it brought.
import {html, useCallback, useEffect, useState} from '../vendor/htm-preact-3.1.1.js';
import {call, get, post} from '../api.js';
import {asDuration, asMoment, asMoney, asShare, inWords} from '../format.js';
import {Drop} from '../parts/drop.js';
import {Badge, Facts, Meter} from '../parts/facts.js';
import {Connection, Loading, Notice, Refusal} from '../parts/notice.js';
import {Source} from '../parts/source.js';
import {useStream} from '../live.js';
import {navigate} from '../router.js';

export function Portfolios() {
  const [page, setPage] = useState(null);
  const [problem, setProblem] = useState(null);
  const [sending, setSending] = useState('');
  document.title = 'Portfolios · Credit Desk';
  useEffect(() => {
    get('/batches').then(setPage, setProblem);
  }, []);
  const upload = async (file) => {
    setProblem(null);
    setSending(file.name);
    const form = new FormData();
    form.set('file', file, file.name);
    try {
      const batch = await call('POST', '/batches', {form});
      navigate(`/portfolio/${batch.batch_id}`);
    } catch (refused) {
      setProblem(refused);
    } finally {
      setSending('');
    }
  };
  return html`<div class="title"><h1>Portfolios</h1></div><${Refusal} problem=${problem} />
    <section class="card"><h2>Underwrite a file</h2>
      <${Drop} id="portfolio-file" accept=".jsonl,.csv,.parquet" label="A portfolio in JSON Lines, CSV or Parquet" onFile=${upload} />
      ${sending && html`<p role="status">Sending ${sending}…</p>`}</section>
    ${!page ? html`<${Loading} what="the portfolios" />` : page.items.length === 0 ? html`<${Notice}>No portfolio has been underwritten yet.<//>`
      : html`<div class="scroll" tabindex="0"><table class="list"><thead><tr><th scope="col">File</th><th scope="col">Status</th><th scope="col" class="right">Rows</th><th scope="col" class="right">Progress</th><th scope="col">Started</th></tr></thead>
        <tbody>${page.items.map((batch) => html`<tr key=${batch.batch_id}><th scope="row"><a href="/portfolio/${batch.batch_id}">${batch.file_name}</a></th>
          <td><${Badge} of=${batch.status} /></td><td class="right num">${batch.rows ?? '–'}</td><td class="right num">${asShare(batch.progress)}</td><td>${asMoment(batch.created_at)}</td></tr>`)}</tbody></table></div>`}
    <p class="foot"><${Source} path="/batches" /></p>`;
}

export function Portfolio({id}) {
  const [batch, setBatch] = useState(null);
  const [problem, setProblem] = useState(null);
  const read = useCallback(() => get(`/batches/${id}`).then(setBatch, setProblem), [id]);
  useEffect(() => {
    read();
  }, [read]);
  const connection = useStream(`/batches/${id}/events`, read);
  if (!batch) return html`<h1>Portfolio</h1>${problem ? html`<${Refusal} problem=${problem} />` : html`<${Loading} what="the portfolio" />`}`;
  document.title = `${batch.file_name} · Portfolio · Credit Desk`;
  const cancel = () => post(`/batches/${id}/cancel`).then(read, setProblem);
  const counts = (found) => Object.entries(found ?? {}).sort((one, other) => other[1] - one[1]);
  const bars = (title, found) => {
    const rows = counts(found);
    const most = Math.max(1, ...rows.map(([, count]) => count));
    return rows.length > 0 && html`<section class="card"><h2>${title}</h2><div class="meters">${rows.map(([name, count]) =>
      html`<${Meter} label=${inWords(name)} value=${count} max=${most} text=${count.toLocaleString('en-US')} />`)}</div></section>`;
  };
  const totals = batch.totals ?? batch;
  return html`<div class="title"><h1>${batch.file_name}</h1><${Badge} of=${batch.status} /></div>
    <${Connection} state=${connection} /><${Refusal} problem=${problem} />
    ${batch.error && html`<${Notice} kind="bad"><p>${batch.error.message ?? batch.error}</p><//>`}
    <section class="card"><h2>Progress</h2><progress max="1" value=${batch.progress}>${asShare(batch.progress)}</progress> <span class="num">${asShare(batch.progress)}</span>
      <${Facts} rows=${[
        ['Rows', batch.rows?.toLocaleString('en-US')],
        ['Chunks', `${batch.chunks_done} of ${batch.chunks}`],
        ['Rate', batch.rows_per_second && `${batch.rows_per_second} a second`],
        ['Time', batch.seconds && asDuration(batch.seconds)],
        ['Approved in all', totals.sums?.approved && asMoney(totals.sums.approved)],
        ['Expected loss', totals.sums?.expected_loss && asMoney(totals.sums.expected_loss)],
      ]} />
      <p class="actions">
        <a class="button plain" href="/batches/${id}/decisions" download="decisions.jsonl">Decisions</a>
        <a class="button plain" href="/batches/${id}/rejects" download="rejects.jsonl">Rejected rows</a>
        <a class="button plain" href="/">Referred cases in the inbox</a>
        ${['queued', 'running'].includes(batch.status) && html`<button type="button" class="button danger" onClick=${cancel}>Stop after the chunks under way</button>`}</p>
      <p class="foot"><${Source} path="/batches/${id}" /></p></section>
    <div class="columns">${bars('Outcomes', totals.outcomes)}${bars('Recommendations', totals.recommendations)}${bars('Grades', totals.grades)}${bars('Reasons', totals.reasons)}</div>`;
}
