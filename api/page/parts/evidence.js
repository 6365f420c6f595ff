// What the stages have found, a card for each subject. A card without a finding is not drawn.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {asMoment, asMoney, asPercent, inWords} from '../format.js';
import {Badge, Facts, Meter} from './facts.js';

export function Risk({risk, factors}) {
  if (!risk) return null;
  const most = Math.max(1, ...factors.map((factor) => Number(factor.points_lost)));
  return html`<section class="card"><h2>Risk</h2>
    <${Facts} rows=${[
      ['Grade', risk.grade],
      ['PD of the ensemble', asPercent(risk.pd_ensemble)],
      ['Expected loss', asMoney(risk.expected_loss)],
      ['Disagreement of the models', asPercent(risk.disagreement)],
      ...risk.members.map((member) => [inWords(member.model), `${asPercent(member.pd)}, score ${Math.round(member.score)}`]),
    ]} />
    <h3>What cost points</h3>
    <div class="meters">${factors.map((factor) => html`<${Meter} label=${factor.reason} value=${Number(factor.points_lost)} max=${most} text=${`−${Number(factor.points_lost).toFixed(1)}`} />`)}</div>
  </section>`;
}

export function Affordability({ability}) {
  if (!ability) return null;
  return html`<section class="card"><h2>Affordability</h2><${Facts} rows=${[
    ['DTI with this loan', asPercent(ability.dti_after)],
    ['DTI before', asPercent(ability.dti_before)],
    ['DTI under stress', asPercent(ability.dti_stressed)],
    ['Payment', asMoney(ability.payment)],
    ['Payment to income', asPercent(ability.pti)],
    ['Verified income a month', asMoney(ability.verified_income)],
    ['Obligations a month', asMoney(ability.obligations)],
    ['Housing a month', asMoney(ability.housing)],
    ['Residual income', `${asMoney(ability.residual_income)} (floor ${asMoney(ability.residual_floor)})`],
    ['Largest principal by DTI', asMoney(ability.max_principal)],
  ]} /></section>`;
}

export function Income({income}) {
  if (!income) return null;
  return html`<section class="card"><h2>Income</h2><${Facts} rows=${[
    ['Verdict', html`<${Badge} of=${income.verdict} />`],
    ['Stated a month', asMoney(income.stated_monthly)],
    ['By pay stubs', income.paystub_monthly && asMoney(income.paystub_monthly)],
    ['By bank statements, net', income.bank_monthly && asMoney(income.bank_monthly)],
    ['Verified', asMoney(income.verified_monthly)],
    ['Method', inWords(income.method)],
    ['Confidence', asPercent(income.confidence)],
    ['Pay comes', income.stability && `${inWords(income.stability.cadence)}, ${income.stability.deposits} deposits in ${income.stability.months} months`],
    ['Returned payments', income.nsf_count || null],
    ['Overdraft days', income.overdraft_days || null],
    ['Warnings', income.warnings.map(inWords).join(', ')],
    ['Evidence', income.evidence.join(', ')],
  ]} /></section>`;
}

export function Bureau({bureau}) {
  if (!bureau) return null;
  const found = bureau.attributes;
  return html`<section class="card"><h2>Bureau</h2><${Facts} rows=${[
    ['Report', `${bureau.bureau}, ${bureau.report_date ?? 'no date'}`],
    ['Score', bureau.score && `${bureau.score.value} (${bureau.score.model}, ${bureau.score.range_min} to ${bureau.score.range_max})`],
    ['Status', inWords(bureau.bureau_status)],
    ['Alerts', bureau.alerts.map(inWords).join(', ')],
    ...(found ? [
      ['Open trades', found.trades_open],
      ['Oldest trade', `${found.oldest_trade_months} months`],
      ['Revolving utilization', asPercent(found.utilization_revolving)],
      ['Worst delinquency, 24 months', `${found.worst_dpd_24m} days`],
      ['Inquiries, 6 months', found.inquiries_6m],
      ['Open collections', asMoney(found.collections_open_amount)],
    ] : []),
  ]} />
  ${bureau.score?.factors?.length > 0 && html`<h3>The bureau's own factors</h3><ul>${bureau.score.factors.map((factor) => html`<li>${factor.text}</li>`)}</ul>`}</section>`;
}

export function Identity({kyc, candidates}) {
  if (!kyc) return null;
  return html`<section class="card"><h2>Identity and screening</h2><${Facts} rows=${[
    ['Identity', html`<${Badge} of=${kyc.identity_status} />`],
    ['Watchlist', html`<${Badge} of=${kyc.watchlist.status} />`],
    ['List', `${kyc.watchlist.list_name}, ${kyc.watchlist.list_date}`],
    ...kyc.matches.map((match) => [`${inWords(match.applicant)} applicant`, ['name', 'dob', 'address', 'ssn']
      .map((part) => match[part] && `${inWords(part)} ${match[part].level}`).filter(Boolean).join(', ')]),
  ]} />
  ${candidates.length > 0 && html`<h3>Entries in question</h3>${candidates.map((candidate) => html`<${Candidate} found=${candidate} />`)}`}</section>`;
}

function Candidate({found}) {
  const {entry} = found;
  return html`<article class="candidate"><h4>${entry.names.join(', ')} <span class="badge warn">${found.score} of 100</span></h4><${Facts} rows=${[
    ['Entry', `${found.list_name} ${found.entry_id}, list of ${found.list_date}`],
    ['Also known as', entry.aliases.join('; ')],
    ['Born', [...entry.dobs, ...entry.born.map((born) => (typeof born === 'object' ? Object.values(born).filter(Boolean).join(' to ') : born))].join(', ') || 'not stated'],
    ['Birth date', found.dob_is_equal ? 'equal' : found.dob_agrees ? 'near' : 'different'],
    ['Countries', entry.countries.join(', ')],
    ['Kind', inWords(entry.kind)],
    ['Programme', entry.programme],
    ['Why it resembles', found.why.map(inWords).join(', ')],
    ['Cleared before', found.clearance && `for this entry; ${found.list_has_changed ? 'the list has changed since' : 'waits for a second person'}`],
  ]} /></article>`;
}

export function Fraud({fraud}) {
  if (!fraud) return null;
  return html`<section class="card"><h2>Signs of fraud</h2><${Facts} rows=${[
    ['Band', html`<${Badge} of=${fraud.band} />`],
    ['Score', fraud.score],
    ['Typology', fraud.typology && inWords(fraud.typology)],
    ['Signals', fraud.signals.map((signal) => inWords(signal.code ?? signal.signal ?? signal)).join(', ') || 'none'],
  ]} /></section>`;
}

export function Applicants({application}) {
  if (!application) return null;
  return html`<section class="card"><h2>${application.applicants.length > 1 ? 'Applicants' : 'Applicant'}</h2>
    ${application.applicants.map((person) => html`<${Facts} rows=${[
      ['Name', [person.first_name, person.middle_name, person.last_name, person.suffix].filter(Boolean).join(' ')],
      ['Role', inWords(person.role)],
      ['Born', person.dob],
      ['Lives in', person.addresses[0] && `${person.addresses[0].city}, ${person.addresses[0].state} ${person.addresses[0].postal_code}, since ${person.addresses[0].since}`],
      ['Work', person.employment && `${person.employment.title ?? ''} at ${person.employment.employer ?? 'no employer'}, since ${person.employment.start_date ?? '?'}`],
      ['Stated income a month', person.employment && asMoney(person.employment.gross_monthly_stated)],
      ['Dependents', person.dependents],
    ]} />`)}</section>`;
}

export function Documents({documents, intake}) {
  if (!documents.length) return null;
  const problems = Object.fromEntries((intake?.finding.readings ?? []).map((reading) => [reading.document_id, reading.problem]));
  return html`<section class="card"><h2>Papers</h2><div class="scroll" tabindex="0"><table class="list"><thead><tr><th scope="col">Paper</th><th scope="col">Kind</th><th scope="col">Received</th><th scope="col">Reading</th></tr></thead>
    <tbody>${documents.map((document) => html`<tr><th scope="row">${document.document_id}</th><td>${inWords(document.kind)}</td><td>${asMoment(document.received_at)}</td>
      <td>${document.document_id in problems ? inWords(problems[document.document_id] ?? 'read') : html`<span class="badge warn">Not read yet</span>`}</td></tr>`)}</tbody></table></div></section>`;
}

export function Earlier({earlier}) {
  if (!earlier.length) return null;
  return html`<section class="card"><h2>Other runs of this application</h2><ul>${earlier.map((other) => html`<li>
    <a href="/run/${other.run_id}">${asMoment(other.created_at)}</a> <${Badge} of=${other.outcome ?? other.status} />
    ${other.is_what_if && html`<span class="badge">What-if, decides nothing</span>`}</li>`)}</ul></section>`;
}

export function SamePeople({others}) {
  if (!others) return null;
  return html`<section class="card" id="others"><h2>Other applications of the same people</h2>${!others.length
    ? html`<p class="quiet">None is known.</p>`
    : html`<div class="scroll" tabindex="0"><table class="list stack"><thead><tr><th scope="col">Application</th><th scope="col">Filed</th><th scope="col">Asked for</th><th scope="col">Outcome</th><th scope="col">In common</th></tr></thead>
    <tbody>${others.map((other) => html`<tr><th scope="row"><a href=${other.run_id ? `/run/${other.run_id}` : `/portfolio/${other.batch_id}`}>${other.application_id}</a></th>
      <td>${asMoment(other.filed_at)}</td><td class="num">${asMoney(other.amount_requested)}</td><td><${Badge} of=${other.outcome ?? other.status ?? 'undecided'} /></td><td class="wide">${inCommon(other)}</td></tr>`)}</tbody></table></div>`}</section>`;
}

/** Which applicants of this case, and by what; a name alone may be another person's. */
function inCommon({same_number: byNumber, same_name: byName}) {
  return [...new Set([...byNumber, ...byName])].map((role) => `${inWords(role)} applicant: ${[
    byNumber.includes(role) && 'tax number', byName.includes(role) && 'name and birth date'].filter(Boolean).join(', ')}`).join('; ');
}

export function Rulings({rulings}) {
  if (!rulings.length) return null;
  return html`<section class="card"><h2>Rulings so far</h2><ul>${rulings.map((ruling) => html`<li>
    <strong>${inWords(ruling.decision)}</strong> at ${inWords(ruling.gate).toLowerCase()} by ${ruling.reviewer} (${inWords(ruling.role).toLowerCase()})</li>`)}</ul></section>`;
}
