// Sign in with an API key, or with the company's own login where the desk knows its issuer.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {post} from '../api.js';
import {Refusal} from '../parts/notice.js';

export function SignIn({session, onSession}) {
  const [key, setKey] = useState('');
  const [problem, setProblem] = useState(null);
  document.title = 'Sign in · Credit Desk';
  const send = async (event) => {
    event.preventDefault();
    try {
      onSession(await post('/session', {key: key.trim()}));
    } catch (refused) {
      setProblem(refused);
    }
  };
  const back = encodeURIComponent(location.pathname + location.search);
  return html`<section class="card narrow"><h1>Sign in</h1>
    <p>This desk knows its people. The browser keeps your session in a cookie that no script can read.</p>
    <${Refusal} problem=${problem} />
    ${session.sign_in?.includes('oidc') && html`<p><a class="button" href="/session/oidc?next=${back}">Sign in with your company's login</a></p>`}
    <form onSubmit=${send}>
      <div class="field"><label for="key">API key</label>
        <input id="key" type="password" autocomplete="current-password" required value=${key} onInput=${(event) => setKey(event.target.value)} />
        <p class="help">An operator makes one with <code>credit-desk keys add</code>.</p></div>
      <button type="submit" class="button">Sign in</button>
    </form></section>`;
}
