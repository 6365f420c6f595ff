// Calls of the desk's API. The same routes are open to every other client.
let csrf = '';

/** The token that unsafe requests carry when a cookie authorises them. */
export function setCsrf(token) {
  csrf = token;
}

/** A refusal of the API: what happened, and which fields are at fault. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the API answered ${status}`);
    this.status = status;
    this.body = body;
    this.code = body.code || '';
    this.errors = body.errors || [];
  }

  /** What is wrong with one field of the form; empty when nothing is. */
  about(field) {
    const found = this.errors.filter((error) => error.pointer === `/${field}`);
    return found.map((error) => error.message).join('; ');
  }
}

export async function call(method, path, {body, form, headers = {}} = {}) {
  const sent = {Accept: 'application/json', ...headers};
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  if (csrf && method !== 'GET') sent['X-CSRF-Token'] = csrf;
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: sent,
      body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
  } catch {
    throw new Problem(0, {detail: 'The desk does not answer. Check that it is running, then try again.'});
  }
  const text = await answer.text();
  let found = null;
  if (text) {
    try {
      found = JSON.parse(text);
    } catch {
      found = text;
    }
  }
  if (!answer.ok) {
    if (answer.status === 401) dispatchEvent(new Event('desk:signed-out'));
    throw new Problem(answer.status, found ?? {});
  }
  return found;
}

export const get = (path) => call('GET', path);
export const post = (path, body, headers) => call('POST', path, {body, headers});

/** The same call for a terminal. */
export function asCurl(method, path, body) {
  const quoted = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
  const parts = ['curl', '-sS'];
  if (method !== 'GET') parts.push('-X', method);
  if (csrf) parts.push('-H', '"Authorization: Bearer $CREDIT_DESK_API_KEY"');
  if (body !== undefined) {
    parts.push('-H', quoted('Content-Type: application/json'), '-d', quoted(JSON.stringify(body)));
  }
  return [...parts, quoted(location.origin + path)].join(' ');
}
