// Everything that waits for a person, the most urgent first.
import {html, useCallback, useEffect, useState} from '../vendor/htm-preact-3.1.1.js';
import {call, get, post} from '../api.js';
import {asMoney, asMoment, inWords, untilDue} from '../format.js';
import {Connection, Loading, Notice, Refusal} from '../parts/notice.js';
import {Source} from '../parts/source.js';
import {useStream} from '../live.js';
import {saveName, savedName} from '../person.js';
import {navigate, setFilters} from '../router.js';

const roles = ['underwriter', 'senior_underwriter', 'compliance', 'intake'];

export function Inbox({url, session}) {
  const role = url.searchParams.get('role') ?? '';
  const text = url.searchParams.get('text') ?? '';
  const cursor = url.searchParams.get('cursor') ?? '';
  const [page, setPage] = useState(null);
  const [open, setOpen] = useState(null);
  const [problem, setProblem] = useState(null);
  const [name, setName] = useState(session.name || savedName());

  const snoozed = url.searchParams.get('snoozed') ?? '';
  const query = new URLSearchParams({limit: '50', ...(role && {role}), ...(cursor && {cursor}), ...(snoozed && {snoozed})});
  const path = `/inbox?${query}`;
  const read = useCallback(() => get(path).then(setPage, setProblem), [path]);
  useEffect(() => {
    read();
  }, [read]);
  const changed = useCallback((frames) => {
    setOpen(JSON.parse(frames.at(-1).data).open);
    read();
  }, [read]);
  const connection = useStream('/inbox/events', changed);
  const [, look] = useState(0);
  useEffect(() => {
    const clock = setInterval(() => look((count) => count + 1), 30_000);  // due times move on
    return () => clearInterval(clock);
  }, []);
  document.title = `${open === null ? '' : `(${open}) `}Inbox · Credit Desk`;

  const act = (task) => async () => {
    setProblem(null);
    try {
      await task();
      await read();
    } catch (refused) {
      setProblem(refused);
    }
  };
  const named = (event) => {
    setName(event.target.value);
    saveName(event.target.value);
  };
  const shown = page?.items.filter((item) => matches(item, text)) ?? [];
  const next = shown.find((item) => !item.claim || item.claim.reviewer === name);
  return html`
    <div class="title"><h1>Inbox</h1>
      ${next && html`<button type="button" class="button" onClick=${() => navigate(`/case/${next.run_id}`)}>Open the next case</button>`}</div>
    <${Connection} state=${connection} />
    <${Refusal} problem=${problem} />
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <div><label for="role">Role</label>
        <select id="role" value=${role} onChange=${(event) => setFilters({role: event.target.value, cursor: ''})}>
          <option value="">Every role</option>${roles.map((one) => html`<option value=${one}>${inWords(one)}</option>`)}</select></div>
      <div><label for="text">Find</label>
        <input id="text" type="search" placeholder="Application, gate or reason" value=${text} onInput=${(event) => setFilters({text: event.target.value})} /></div>
      <div><label for="snoozed">Show</label>
        <select id="snoozed" value=${snoozed} onChange=${(event) => setFilters({snoozed: event.target.value, cursor: ''})}>
          <option value="">What is open now</option><option value="true">What is snoozed</option></select></div>
      ${!session.name && html`<div><label for="name">Your name</label>
        <input id="name" autocomplete="name" value=${name} onInput=${named} /></div>`}
    </form>
    ${!page ? html`<${Loading} what="the inbox" />` : shown.length === 0
      ? html`<${Notice}>${page.items.length ? 'No request matches the filters.' : 'No case waits for a person.'}<//>`
      : html`<${Requests} items=${shown} name=${name} act=${act} />`}
    <p class="foot">
      ${cursor && html`<button type="button" class="button plain" onClick=${() => history.back()}>Previous page</button>`}
      ${page?.next_cursor && html`<button type="button" class="button plain" onClick=${() => navigate(withCursor(url, page.next_cursor))}>Next page</button>`}
      <${Source} path=${path} /></p>`;
}

function Requests({items, name, act}) {
  return html`<div class="scroll" tabindex="0"><table class="list stack"><caption class="hidden">Open requests, the most urgent first</caption>
    <thead><tr><th scope="col">Due</th><th scope="col">Case</th><th scope="col">What is asked</th><th scope="col">Why</th><th scope="col" class="right">Amount</th><th scope="col">With</th></tr></thead>
    <tbody>${items.map((item) => html`<${Request} key=${item.run_id} item=${item} name=${name} act=${act} />`)}</tbody></table></div>`;
}

function Request({item, name, act}) {
  const isLate = new Date(item.due_at) < new Date();
  const who = encodeURIComponent(name);
  const claim = act(() => post(`/runs/${item.run_id}/claim`, {reviewer: name}));
  const release = act(() => call('DELETE', `/runs/${item.run_id}/claim?reviewer=${who}`));
  return html`<tr class=${isLate ? 'late' : ''}>
    <td class="due"><time datetime=${item.due_at} title=${asMoment(item.due_at)}>${untilDue(item.due_at)}</time></td>
    <th scope="row"><a href="/case/${item.run_id}">${item.application_id}</a></th>
    <td>${item.title}<br /><span class="quiet">${inWords(item.role)}</span></td>
    <td>${(item.reason_labels ?? item.reasons).map((reason) => html`<span class="why">${inWords(reason)}</span>`)}
      ${item.snooze && html`<span class="quiet">Until ${asMoment(item.snooze.until)} by ${item.snooze.by}: ${item.snooze.reason}</span>`}</td>
    <td class="right num">${asMoney(item.facts?.amount)}<br /><span class="quiet">${item.facts?.grade ? `Grade ${item.facts.grade}` : ''}</span></td>
    <td>${item.claim
      ? html`${item.claim.reviewer}<br />${item.claim.reviewer === name && html`<button type="button" class="link" onClick=${release}>Release</button>`}`
      : html`<button type="button" class="button plain" disabled=${!name} title=${name ? undefined : 'Say your name above first'}
          aria-label="Claim ${item.application_id}" onClick=${claim}>Claim</button>`}</td>
  </tr>`;
}

function matches(item, text) {
  const all = [item.application_id, item.gate, item.title, ...item.reasons, ...item.reason_labels].join(' ').toLowerCase();
  return all.includes(text.trim().toLowerCase());
}

function withCursor(url, cursor) {
  const to = new URL(url);
  to.searchParams.set('cursor', cursor);
  return to.pathname + to.search;
}
