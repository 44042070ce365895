// A table that is wider than a phone scrolls by itself, also by keyboard.

import { html } from "../html.js";

/** `columns` are headings; `rows` lists of cells, the first of each a heading of its row. */
export function Table({ caption, columns, rows, numeric = [] }) {
  const kind = (at) => (numeric.includes(at) ? "number" : undefined);
  return html`<div class="scroll" role="group" aria-label=${caption} tabindex="0">
    <table>
      <caption>${caption}</caption>
      <thead><tr>${columns.map((name, at) => html`<th scope="col" class=${kind(at)}>${name}</th>`)}</tr></thead>
      <tbody>${rows.map((cells) => html`<tr>${cells.map((cell, at) => at === 0
        ? html`<th scope="row" class=${kind(at)}>${cell}</th>`
        : html`<td class=${kind(at)}>${cell}</td>`)}</tr>`)}</tbody>
    </table>
  </div>`;
}
