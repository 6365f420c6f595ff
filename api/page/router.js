// The address is the state: a view, a filter or a page of a list can be reloaded and sent to a
// colleague. Links stay plain <a href>, so that the middle button and the keyboard work as usual.
import {useEffect, useState} from './vendor/htm-preact-3.1.1.js';

const CHANGED = 'desk:navigated';

const ways = [
  ['inbox', /^\/$/],
  ['case', /^\/case\/([0-9a-f-]{36})$/],
  ['run', /^\/run\/([0-9a-f-]{36})$/],
  ['runs', /^\/all-runs$/],
  ['start', /^\/start$/],
  ['portfolios', /^\/portfolios$/],
  ['portfolio', /^\/portfolio\/([0-9a-f-]{36})$/],
  ['operations', /^\/operations$/],
];

/** The view that an address names, with the id in it; null for an address of another page. */
export function viewAt(path) {
  for (const [name, pattern] of ways) {
    const found = pattern.exec(path);
    if (found) return {name, id: found[1] ?? ''};
  }
  return null;
}

export function navigate(to, {replace = false} = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  dispatchEvent(new Event(CHANGED));
}

/** The address now; the component renders again when it changes. */
export function useAddress() {
  const [address, setAddress] = useState(location.pathname + location.search);
  useEffect(() => {
    const read = () => setAddress(location.pathname + location.search);
    addEventListener('popstate', read);
    addEventListener(CHANGED, read);
    return () => {
      removeEventListener('popstate', read);
      removeEventListener(CHANGED, read);
    };
  }, []);
  return new URL(address, location.origin);
}

/** The same view with some of its filters changed; empty values leave the address. */
export function setFilters(changes) {
  const to = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value) to.searchParams.set(name, value);
    else to.searchParams.delete(name);
  }
  navigate(to.pathname + to.search, {replace: true});
}

document.addEventListener('click', (click) => {
  const link = click.target.closest?.('a[href]');
  if (!link || link.target || link.origin !== location.origin) return;
  if (click.defaultPrevented || click.button || click.metaKey || click.ctrlKey || click.shiftKey) return;
  if (!viewAt(link.pathname) || (link.hash && link.pathname === location.pathname)) return;
  click.preventDefault();
  navigate(link.pathname + link.search);
  scrollTo(0, 0);
});
