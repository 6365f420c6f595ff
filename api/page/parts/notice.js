// What happened and what to do next, announced to screen readers.
import {html} from '../vendor/htm-preact-3.1.1.js';

export function Refusal({problem}) {
  if (!problem) return null;
  const others = problem.errors?.filter((error) => error.pointer) ?? [];
  return html`<div class="notice bad" role="alert">
    <p>${problem.message}</p>
    ${others.length > 0 && html`<ul>${others.map((error) => html`<li><code>${error.pointer}</code> ${error.message}</li>`)}</ul>`}
  </div>`;
}

export function Notice({kind = 'info', children}) {
  return html`<div class="notice ${kind}" role="status">${children}</div>`;
}

/** Says that the screen is not live. Nothing is shown while all is well. */
export function Connection({state}) {
  if (state === 'broken') {
    return html`<${Notice} kind="warn">The connection to the desk is broken. What you see may be old; the page connects again by itself.<//>`;
  }
  if (state === 'refused') {
    return html`<${Notice} kind="warn">The desk does not let this page follow along. Sign in again, or ask for another role.<//>`;
  }
  return null;
}

export function Loading({what}) {
  return html`<p class="quiet" role="status">Loading ${what}…</p>`;
}
