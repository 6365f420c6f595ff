// Decisions by day and outcome: bars for the eye, the same figures as a table.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {asCount, inWords} from '../format.js';
import {Source} from './source.js';

const order = ['approve', 'counter_offer', 'decline', 'incomplete', 'withdrawn'];
const gap = 0.2;  // of a day's width
const sum = (counts) => counts.reduce((total, count) => total + count, 0);
const inAll = ({outcomes}) => sum(Object.values(outcomes));

export function Days({found, path}) {
  const {days, total} = found;
  const outcomes = order.filter((outcome) => days.some((day) => day.outcomes[outcome]));
  const most = Math.max(1, ...days.map(inAll));
  const said = `${asCount(total)} ${total === 1 ? 'decision' : 'decisions'} in ${days.length} days`;
  if (!total) return html`<p class="quiet">No decision in the last ${days.length} days.</p>`;
  return html`<p>${said}, at most ${asCount(most)} a day.</p>
    <ul class="legend">${outcomes.map((outcome) => html`<li><span class="swatch ${outcome}"></span>${inWords(outcome)} <span class="num">${asCount(sum(days.map((day) => day.outcomes[outcome] ?? 0)))}</span></li>`)}</ul>
    <svg class="days" role="img" aria-label="Bars by day: ${said}. The table below has the figures." viewBox="0 0 ${days.length} ${most}" preserveAspectRatio="none">
      ${days.map((day, place) => html`<${Bar} day=${day} place=${place} most=${most} outcomes=${outcomes} />`)}</svg>
    <p class="ends quiet"><span>${days[0].day}</span><span>${days.at(-1).day}</span></p>
    <details><summary>The figures as a table</summary><${Table} days=${days} outcomes=${outcomes} /></details>
    <p class="foot"><span class="quiet">Decisions of runs and portfolios; days in UTC.</span> <${Source} path=${path} /></p>`;
}

function Bar({day, place, most, outcomes}) {
  let top = most;
  const told = outcomes.filter((outcome) => day.outcomes[outcome]).map((outcome) => `${inWords(outcome)} ${day.outcomes[outcome]}`);
  return html`<g><title>${day.day}: ${told.join(', ') || 'none'}</title>
    <rect class="ground" x=${place} y="0" width="1" height=${most} />
    ${outcomes.map((outcome) => {
      const height = day.outcomes[outcome] ?? 0;
      top -= height;
      return height > 0 && html`<rect class=${outcome} x=${place + gap / 2} y=${top} width=${1 - gap} height=${height} />`;
    })}</g>`;
}

function Table({days, outcomes}) {
  const rows = days.filter((day) => inAll(day) > 0).reverse();
  return html`<div class="scroll" tabindex="0"><table class="list"><caption class="hidden">Decisions by day and outcome</caption>
    <thead><tr><th scope="col">Day</th>${outcomes.map((outcome) => html`<th scope="col" class="right">${inWords(outcome)}</th>`)}<th scope="col" class="right">All</th></tr></thead>
    <tbody>${rows.map((day) => html`<tr><th scope="row">${day.day}</th>${outcomes.map((outcome) => html`<td class="right num">${asCount(day.outcomes[outcome] ?? 0)}</td>`)}
      <td class="right num">${asCount(inAll(day))}</td></tr>`)}</tbody></table></div>`;
}
