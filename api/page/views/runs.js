// Every run, newest first.
import {html, useEffect, useState} from '../vendor/htm-preact-3.1.1.js';
import {get} from '../api.js';
import {asMoment, asShare, inWords} from '../format.js';
import {Badge} from '../parts/facts.js';
import {Loading, Notice, Refusal} from '../parts/notice.js';
import {Source} from '../parts/source.js';
import {navigate, setFilters} from '../router.js';

const statuses = ['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled'];

export function Runs({url}) {
  const status = url.searchParams.get('status') ?? '';
  const application = url.searchParams.get('application_id') ?? '';
  const cursor = url.searchParams.get('cursor') ?? '';
  const [page, setPage] = useState(null);
  const [problem, setProblem] = useState(null);
  const query = new URLSearchParams(Object.entries({status, application_id: application, cursor, limit: '50'}).filter(([, value]) => value));
  const path = `/runs?${query}`;
  useEffect(() => {
    setProblem(null);
    get(path).then(setPage, setProblem);
  }, [path]);
  document.title = 'Runs · Credit Desk';
  const older = () => {
    const to = new URL(url);
    to.searchParams.set('cursor', page.next_cursor);
    navigate(to.pathname + to.search);
  };
  return html`<div class="title"><h1>Runs</h1></div><${Refusal} problem=${problem} />
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <div><label for="status">Status</label><select id="status" value=${status} onChange=${(event) => setFilters({status: event.target.value, cursor: ''})}>
        <option value="">Every status</option>${statuses.map((one) => html`<option value=${one}>${inWords(one)}</option>`)}</select></div>
      <div><label for="application">Application</label><input id="application" type="search" placeholder="The whole id" value=${application} onChange=${(event) => setFilters({application_id: event.target.value.trim(), cursor: ''})} /></div></form>
    ${!page ? html`<${Loading} what="the runs" />` : page.items.length === 0 ? html`<${Notice}>No run matches.<//>`
      : html`<div class="scroll" tabindex="0"><table class="list"><thead><tr><th scope="col">Application</th><th scope="col">Status</th><th scope="col">Outcome</th><th scope="col">Stage</th><th scope="col" class="right">Progress</th><th scope="col">Started</th></tr></thead>
        <tbody>${page.items.map((run) => html`<tr key=${run.run_id}><th scope="row"><a href="/run/${run.run_id}">${run.application_id}</a></th>
          <td><${Badge} of=${run.status} /></td>
          <td>${run.decision?.outcome && html`<${Badge} of=${run.decision.outcome} />`} ${run.lineage && !run.lineage.may_decide && html`<span class="badge">What-if, decides nothing</span>`}</td>
          <td>${inWords(run.phase)}</td><td class="right num">${asShare(run.progress)}</td><td>${asMoment(run.created_at)}</td></tr>`)}</tbody></table></div>`}
    <p class="foot">${cursor && html`<button type="button" class="button plain" onClick=${() => history.back()}>Newer</button>`}
      ${page?.next_cursor && html`<button type="button" class="button plain" onClick=${older}>Older</button>`} <${Source} path=${path} /></p>`;
}
