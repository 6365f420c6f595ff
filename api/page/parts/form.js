// A gate's form, drawn from its JSON Schema. Errors stand beside their field.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {inWords} from '../format.js';

/** The fields of a schema in the order in which a reviewer decides. */
export function fieldsOf(schema) {
  const fields = Object.entries(schema.properties).map(([name, given]) => {
    const kinds = given.anyOf ?? [given];
    const kind = kinds.find((one) => one.type !== 'null') ?? {};
    return {name, ...given, ...kind, isRequired: (schema.required ?? []).includes(name)};
  });
  return fields.sort((one, other) => (one.position ?? 0) - (other.position ?? 0));
}

/** The values as the API takes them: numbers as numbers, and nothing for what was left empty. */
export function asAnswer(fields, values) {
  const answer = {};
  for (const field of fields) {
    const value = values[field.name];
    if (value === undefined || value === '' || (Array.isArray(value) && !value.length)) continue;
    answer[field.name] = ['number', 'integer'].includes(field.type) ? Number(value) : value;
  }
  return answer;
}

export function Fields({fields, values, problem, choices = {}, onChange}) {
  return fields.map((field) => html`<${Field}
    key=${field.name} field=${field} value=${values[field.name]} choices=${choices[field.name]}
    error=${problem?.about?.(field.name) ?? ''} onChange=${(value) => onChange(field.name, value)} />`);
}

function Field({field, value, choices, error, onChange}) {
  const id = `field-${field.name}`;
  const about = [field.description && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ');
  const shared = {id, 'aria-describedby': about || undefined, 'aria-invalid': error ? 'true' : undefined};
  const isGroup = field.type === 'array' || (field.enum && field.isRequired);
  const title = html`${field.title ?? inWords(field.name)}${field.isRequired ? '' : html`<span class="quiet"> (optional)</span>`}`;
  const help = (field.enum ?? []).filter(Boolean).reduce((text, one) => text.replaceAll(`${one}:`, `${inWords(one)}:`), field.description ?? '');
  const below = html`
    ${error && html`<p class="error" id="${id}-error">${error}</p>`}
    ${help && html`<p class="help" id="${id}-help">${help}</p>`}`;
  if (isGroup) {
    return html`<fieldset class="field" aria-describedby=${about || undefined}><legend>${title}</legend>
      ${field.type === 'array'
        ? html`<${Several} id=${id} choices=${choices} value=${value ?? []} onChange=${onChange} />`
        : html`<${One} id=${id} options=${field.enum} value=${value} onChange=${onChange} />`}
      ${below}</fieldset>`;
  }
  return html`<div class="field"><label for=${id}>${title}</label>
    <${Input} field=${field} shared=${shared} choices=${choices} value=${value ?? ''} onChange=${onChange} />
    ${below}</div>`;
}

function Input({field, shared, choices, value, onChange}) {
  const typed = (event) => onChange(event.target.value);
  if (choices || field.enum) {
    const options = choices ?? field.enum.filter(Boolean).map((one) => [one, inWords(one)]);
    return html`<select ...${shared} value=${value} onChange=${typed}>
      <option value="">–</option>
      ${options.map(([code, text]) => html`<option value=${code}>${text}</option>`)}
    </select>`;
  }
  if (field.type === 'number' || field.type === 'integer') {
    return html`<input ...${shared} inputmode="decimal" autocomplete="off" value=${value} onInput=${typed} />`;
  }
  if ((field.maxLength ?? 0) > 200) {
    return html`<textarea ...${shared} rows="3" maxlength=${field.maxLength} value=${value} onInput=${typed}></textarea>`;
  }
  return html`<input ...${shared} maxlength=${field.maxLength} value=${value} onInput=${typed} />`;
}

function One({id, options, value, onChange}) {
  return html`<div class="choices">${options.map((option) => html`<label class="choice">
    <input type="radio" name=${id} value=${option} checked=${value === option} onChange=${() => onChange(option)} />
    <span>${inWords(option)}</span></label>`)}</div>`;
}

function Several({id, choices, value, onChange}) {
  const flip = (code) => onChange(value.includes(code) ? value.filter((one) => one !== code) : [...value, code]);
  if (!choices?.length) return html`<p class="quiet">None to choose from.</p>`;
  return html`<div class="choices">${choices.map(([code, text]) => html`<label class="choice">
    <input type="checkbox" name=${id} checked=${value.includes(code)} onChange=${() => flip(code)} />
    <span>${text}</span></label>`)}</div>`;
}
