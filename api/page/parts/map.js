// The map of the workflow as a part of the document, so that its colours follow the theme.
import {html, useEffect, useRef, useState} from '../vendor/htm-preact-3.1.1.js';
import {get} from '../api.js';

const moves = /^(stage|waiting|hitl|run|error)/;

/** The map with the states of a run on it. It is drawn again when an event moves a stage. */
export function WorkflowMap({runId, events}) {
  const path = `/workflow/graph.svg?run_id=${runId}`;
  const place = useRef(null);
  const [problem, setProblem] = useState('');
  const moved = events.filter((event) => moves.test(event.type)).length;
  useEffect(() => {
    let isOld = false;
    get(path).then((text) => {
      if (isOld) return;
      const isFirst = !place.current.firstChild;
      place.current.replaceChildren(drawing(text));
      if (isFirst) showWhereItIs(place.current);
      setProblem('');
    }, (refused) => !isOld && setProblem(refused.message));
    return () => {
      isOld = true;
    };
  }, [path, moved]);
  return html`${problem && html`<p class="quiet" role="status">The map could not be read. ${problem}</p>`}
    <div class="scroll map" tabindex="0" role="region" aria-label="Map of the workflow" ref=${place}></div>
    <p class="foot"><a href=${path} target="_blank" rel="noopener">The map alone</a></p>`;
}

/** The drawing without the style in it: the page's policy forbids it, and the page has one of its own. */
function drawing(text) {
  const bare = text.replace(/<style>[^]*?<\/style>/, '');
  return new DOMParser().parseFromString(bare, 'image/svg+xml').documentElement;
}

/** On a narrow screen the map is wider than its frame: begin at the stage that is under way. */
function showWhereItIs(frame) {
  const at = frame.querySelector('.status_failed, .status_waiting, .status_running') ?? frame.querySelector('.kind_end');
  const [outer, inner] = [frame, at ?? frame].map((element) => element.getBoundingClientRect());
  frame.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}
