// Small pieces that several views share.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {asMoney, asPercent, inWords} from '../format.js';

const tones = {
  approve: 'good', counter_offer: 'good', completed: 'good', met: 'good', promoted: 'good', decline: 'bad', failed: 'bad', broken: 'bad',
  refer: 'warn', waiting: 'warn', incomplete: 'warn', unclear: 'warn', running: 'info', queued: 'info',
};

export function Badge({of}) {
  return html`<span class="badge ${tones[of] ?? ''}">${inWords(of)}</span>`;
}

/** Names and values; rows without a value are left out. */
export function Facts({rows}) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return html`<dl class="facts">${shown.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function Offer({offer, title = 'The offer'}) {
  if (!offer) return null;
  return html`<section class="offer" aria-label=${title}><h3>${title}</h3>
    <p class="figure">${asMoney(offer.payment)} <span class="quiet">a month for ${offer.term_months} months</span></p>
    <${Facts} rows=${[
      ['Amount', asMoney(offer.amount)],
      ['APR', asPercent(offer.apr)],
      ['Interest rate', asPercent(offer.rate)],
      ['Fee', asMoney(offer.fee)],
      ['Finance charge', asMoney(offer.finance_charge)],
      ['Total of payments', asMoney(offer.total_of_payments)],
      ['Grade', offer.grade],
      ['Open until', offer.expires_on],
    ]} /></section>`;
}

/** A bar of a share; its text says the same to people who do not see it. */
export function Meter({label, value, max, text}) {
  return html`<div class="meter"><span>${label}</span>
    <meter min="0" max=${max} value=${Math.min(value, max)}>${text}</meter><span class="num">${text}</span></div>`;
}
