// A place for a file: chosen with the keyboard, or dropped.
import {html, useState} from '../vendor/htm-preact-3.1.1.js';

export function Drop({id, accept, label, onFile}) {
  const [isOver, setOver] = useState(false);
  const dropped = (event) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file) onFile(file);
  };
  const over = (event) => {
    event.preventDefault();
    setOver(true);
  };
  const chosen = (event) => {
    const file = event.target.files[0];
    event.target.value = '';
    if (file) onFile(file);
  };
  return html`<div class="drop ${isOver ? 'over' : ''}" onDragOver=${over} onDragLeave=${() => setOver(false)} onDrop=${dropped}>
    <label for=${id}>${label}</label>
    <input id=${id} type="file" accept=${accept} onChange=${chosen} />
    <p class="quiet">Choose a file, or drop it here.</p></div>`;
}
