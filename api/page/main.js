// The page: navigation, the person who is signed in, and the view that the address names.
//
// Conventions. A view is one file in views/ and gets the address (`url`) and the id in it (`id`).
// Views read the API by `get`, show a refusal by <Refusal>, and follow streams by `useStream`.
// State that a colleague should see in a link is in the address, never in a variable.
import {html, render, useCallback, useEffect, useState} from './vendor/htm-preact-3.1.1.js';
import {call, get, setCsrf} from './api.js';
import {useAddress, viewAt} from './router.js';
import {Case} from './views/case.js';
import {Inbox} from './views/inbox.js';
import {Operations} from './views/operations.js';
import {Portfolio, Portfolios} from './views/portfolios.js';
import {Run} from './views/run.js';
import {Runs} from './views/runs.js';
import {SignIn} from './views/sign_in.js';
import {Start} from './views/start.js';

const views = {
  inbox: Inbox, case: Case, run: Run, runs: Runs, start: Start,
  portfolios: Portfolios, portfolio: Portfolio, operations: Operations,
};

const places = [['/', 'Inbox'], ['/all-runs', 'Runs'], ['/start', 'Start'], ['/portfolios', 'Portfolios'], ['/operations', 'Operations']];
const sections = {case: '/', run: '/all-runs', portfolio: '/portfolios'};

function Page() {
  const url = useAddress();
  const [session, setSession] = useState(null);
  const known = useCallback((found) => {
    setCsrf(found.csrf ?? '');
    setSession(found);
  }, []);
  useEffect(() => {
    const read = () => get('/session').then(known, () => setSession({signed_in: false, sign_in: ['key']}));
    read();
    const signedOut = () => setSession((now) => (now?.signed_in ? {...now, signed_in: false} : now));
    addEventListener('desk:signed-out', signedOut);
    return () => removeEventListener('desk:signed-out', signedOut);
  }, []);
  if (!session) return null;
  const place = viewAt(url.pathname);
  const View = place && views[place.name];
  return html`
    <a class="skip" href="#content">Skip to the content</a>
    <${Head} url=${url} place=${place} session=${session} onSession=${known} />
    <main id="content" tabindex="-1">
      ${!session.signed_in
        ? html`<${SignIn} session=${session} onSession=${known} />`
        : View
          ? html`<${View} key=${place.name + place.id} id=${place.id} url=${url} session=${session} />`
          : html`<h1>There is no such view</h1><p><a href="/">Go to the inbox</a></p>`}
    </main>`;
}

function Head({url, place, session, onSession}) {
  const here = sections[place?.name] ?? url.pathname;
  const signOut = () => call('DELETE', '/session').then(() => get('/session')).then(onSession);
  return html`<header class="head">
    <a class="brand" href="/"><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" /><path d="M8 17l5 5L24 10" /></svg>Credit Desk</a>
    <nav aria-label="Views"><ul>${places.map(([to, name]) => html`<li>
      <a href=${to} aria-current=${to === here ? 'page' : undefined}>${name}</a></li>`)}</ul></nav>
    <div class="who">
      ${session.name && html`<span>${session.name}</span>
        <button type="button" class="link" onClick=${signOut}>Sign out</button>`}
      <${Theme} />
    </div>
  </header>`;
}

function Theme() {
  const [theme, setTheme] = useState(sessionStorage.getItem('desk-theme') ?? '');
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    sessionStorage.setItem('desk-theme', theme);
  }, [theme]);
  return html`<label class="theme"><span class="hidden">Colours</span>
    <select value=${theme} onChange=${(event) => setTheme(event.target.value)}>
      <option value="">As the system</option><option value="light">Light</option><option value="dark">Dark</option>
    </select></label>`;
}

const root = document.getElementById('page');
root.replaceChildren();
render(html`<${Page} />`, root);
