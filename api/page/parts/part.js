// A part of a view that loads by itself: one that fails or is slow leaves the others as they are.
import {html, useCallback, useEffect, useRef, useState} from '../vendor/htm-preact-3.1.1.js';
import {get} from '../api.js';
import {Loading} from './notice.js';

/** What an address answers, and `read` to ask again. `accept` makes an answer of a refusal. */
export function usePart(path, accept = () => null) {
  const [part, setPart] = useState({found: null, problem: null});
  const asked = useRef(0);
  const shown = useRef(0);
  const read = useCallback(async () => {
    const turn = (asked.current += 1);
    const news = await get(path).then((found) => ({found, problem: null}), (problem) => {
      const found = accept(problem);
      return found ? {found, problem: null} : {problem};
    });
    if (turn < shown.current) return;  // a later question was answered first
    shown.current = turn;
    setPart((now) => ({...now, ...news}));
  }, [path]);
  useEffect(() => {
    read();
  }, [read]);
  return {...part, read};
}

/** The card of a part. `draw` makes it from the answer. */
export function Part({title, of, draw}) {
  const {found, problem, read} = of;
  return html`<section class="card" aria-label=${title}><h2>${title}</h2>
    ${problem?.status === 403 ? html`<p class="quiet">${problem.message}</p>` : problem && html`<div class="notice warn" role="alert">
      <p>${found ? 'What stands here is old: it' : 'This part'} could not be read. ${problem.message}</p>
      <button type="button" class="button plain" aria-label="Try again: ${title}" onClick=${read}>Try again</button></div>`}
    ${found ? draw(found) : !problem && html`<${Loading} what=${title.toLowerCase()} />`}</section>`;
}
