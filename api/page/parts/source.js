// The way from the page to the API: the same data raw, and the same call for a terminal.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';
import {asCurl} from '../api.js';

export function Source({path, method = 'GET', body}) {
  const [copied, setCopied] = useState('');
  const line = asCurl(method, path, body);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
      setCopied('Copied');
    } catch {
      setCopied(line);
    }
  };
  return html`<span class="source">
    ${method === 'GET' && html`<a href=${path} target="_blank" rel="noopener">Raw JSON</a>`}
    <button type="button" class="link" onClick=${copy}>Copy as curl</button>
    <span class="quiet" role="status">${copied}</span>
  </span>`;
}
