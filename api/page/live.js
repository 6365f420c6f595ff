// Server-sent events by fetch: unlike EventSource, it shows the status of a refusal, and it passes
// on events of types that this page does not know yet.
import {useEffect, useState} from './vendor/htm-preact-3.1.1.js';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** The complete frames in a text, and the rest that waits for more. */
export function framesOf(text) {
  const whole = text.replaceAll('\r\n', '\n');
  const end = whole.lastIndexOf('\n\n');
  if (end < 0) return {frames: [], rest: whole};
  const frames = whole.slice(0, end).split('\n\n').map(frameOf).filter((frame) => frame.data);
  return {frames, rest: whole.slice(end + 2)};
}

function frameOf(text) {
  const frame = {id: '', event: 'message', data: ''};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') frame.data += frame.data ? `\n${value}` : value;
    else if (name in frame) frame[name] = value;
  }
  return frame;
}

/** Follows a stream until it is over or stopped. It comes back by itself, after the last event. */
export function follow(path, onFrames, onState) {
  const stop = new AbortController();
  let last = '';
  (async () => {
    let pause = FIRST_PAUSE;
    while (!stop.signal.aborted) {
      try {
        const headers = {Accept: 'text/event-stream', ...(last && {'Last-Event-ID': last})};
        const answer = await fetch(path, {headers, signal: stop.signal});
        if (answer.status === 204) return onState('over');
        if (answer.status === 401) dispatchEvent(new Event('desk:signed-out'));
        if ([401, 403, 404].includes(answer.status)) return onState('refused');
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        onState('live');
        pause = FIRST_PAUSE;
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let waiting = '';
        for (;;) {
          const {value, done} = await reader.read();
          if (done) break;
          const {frames, rest} = framesOf(waiting + value);
          waiting = rest;
          last = frames.findLast((frame) => frame.id)?.id ?? last;
          if (frames.length) onFrames(frames);
        }
      } catch {
        if (stop.signal.aborted) return;
        onState('broken');
      }
      await new Promise((go) => setTimeout(go, pause));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  })();
  return () => stop.abort();
}

/** The state of a stream: `connecting`, `live`, `broken`, `over` or `refused`. */
export function useStream(path, onFrames) {
  const [state, setState] = useState('connecting');
  useEffect(() => {
    setState('connecting');
    return follow(path, onFrames, setState);
  }, [path]);
  return state;
}
