// How the page writes values: money, rates, moments, and names of the program as words.
const money = new Intl.NumberFormat('en-US', {style: 'currency', currency: 'USD'});
const percent = new Intl.NumberFormat('en-US', {style: 'percent', minimumFractionDigits: 2, maximumFractionDigits: 2});
const moment = new Intl.DateTimeFormat('en-US', {dateStyle: 'medium', timeStyle: 'short'});

const short = {pd: 'PD', dti: 'DTI', apr: 'APR', pti: 'PTI', kyc: 'KYC', ssn: 'SSN', id: 'ID', mla: 'MLA', usd: 'USD', dob: 'birth date'};

export const asCount = (value) => Number(value).toLocaleString('en-US');
export const asMoney = (value) => (value === null || value === undefined ? '–' : money.format(Number(value)));
export const asPercent = (value) => (value === null || value === undefined ? '–' : percent.format(Number(value)));
const dollars = /amount|income|payment$|principal|obligations|balance/;
const shares = /^(pd|dti|pti)(_|$)|utilization|_rate$|_share$/;
/** A fact of a rule, by its name: dollars, a share, or the value as it is. */
export function asFact(name, value) {
  if (value === null || value === undefined) return 'unknown';
  if (Number.isNaN(Number(value)) || typeof value === 'boolean') return inWords(value);
  return shares.test(name) ? asPercent(value) : dollars.test(name) ? asMoney(value) : value;
}
/** A share without decimals: progress needs none. */
export const asShare = (value) => `${Math.round(Number(value) * 100)} %`;
export const asMoment = (value) => (value ? moment.format(new Date(value)) : '–');

/** `bureau-score-low` as “Bureau score low”; what is words already stays. */
export function inWords(name) {
  if (String(name).includes(' ')) return name;
  const words = String(name ?? '').split(/[-_.\s]+/).filter(Boolean);
  const written = words.map((word) => short[word.toLowerCase()] ?? word).join(' ');
  return written.charAt(0).toUpperCase() + written.slice(1);
}

/** How long, in the two largest units: “3 d 4 h”. */
export function asDuration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const units = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];
  const parts = [];
  let rest = whole;
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}

/** Until when: “in 3 d 4 h”, or “2 h late”. */
export function untilDue(due, now = Date.now()) {
  const seconds = (new Date(due).getTime() - now) / 1000;
  return seconds >= 0 ? `in ${asDuration(seconds)}` : `${asDuration(-seconds)} late`;
}
