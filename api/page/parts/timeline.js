// The events of a run as a timeline of stages: how long each took, and how long it waited.
import {html} from '../vendor/htm-preact-3.1.1.js';
import {asDuration, inWords} from '../format.js';

/** What an event makes of a stage that is under way. A what-if completes where it would ask a person. */
const ends = {error: 'failed', 'run.failed': 'failed', 'run.cancelled': 'cancelled', 'run.completed': 'ends_here'};

/** The stages in the order in which the run came to them, with seconds at work and waiting. */
export function stagesOf(events) {
  const stages = [];
  const open = new Map();
  let waitsSince = null;
  for (const event of events) {
    const at = new Date(event.ts).getTime() / 1000;
    if (event.type === 'stage.started') {
      const stage = {name: event.phase, from: at, seconds: 0, waited: 0, status: 'running'};
      stages.push(stage);
      open.set(event.phase, stage);
    } else if (event.type === 'stage.skipped' || event.type === 'stage.taken_over') {
      stages.push({name: event.phase, from: at, seconds: 0, waited: 0, status: event.type.slice(6)});
    } else if (event.type === 'waiting') {
      waitsSince = at;
      const stage = open.get(event.phase);
      if (stage) stage.status = 'waiting';
    } else if (['hitl.resolved', 'run.resumed', 'hitl.rejected'].includes(event.type)) {
      const stage = open.get(event.phase) ?? stages.at(-1);
      if (stage && waitsSince !== null) {
        stage.waited += at - waitsSince;
        stage.status = 'running';
      }
      waitsSince = null;
    } else if (event.type === 'stage.completed') {
      const stage = open.get(event.phase);
      if (stage) Object.assign(stage, {seconds: Math.max(0, at - stage.from - stage.waited), status: 'done'});
      open.delete(event.phase);
    } else if (event.type in ends) {
      for (const stage of open.values()) stage.status = ends[event.type];
    }
  }
  return stages;
}

export function Timeline({events}) {
  const stages = stagesOf(events);
  const longest = Math.max(0.01, ...stages.map((stage) => stage.seconds));
  return html`<ol class="timeline">${stages.map((stage) => html`<li class=${stage.status}>
    <span>${inWords(stage.name)}</span>
    <meter min="0" max=${longest} value=${stage.seconds}>${stage.seconds.toFixed(2)} s</meter>
    <span class="num quiet">${stage.status === 'done' ? `${stage.seconds.toFixed(2)} s` : inWords(stage.status)}${stage.waited > 1 ? `, waited ${asDuration(stage.waited)}` : ''}</span></li>`)}</ol>`;
}
