// A mean with its 95% interval, as text and as a line beside zero.

import { html } from "../html.js";
import { figure, signed, t } from "../text/index.js";

export const intervalText = (interval, format = figure) =>
  interval ? `${format(interval.mean)} [${format(interval.low)}, ${format(interval.high)}]` : "–";

/** Of a difference: the line of zero shows whether the interval lies above it. */
export function Difference({ interval, bound }) {
  if (!interval) return html`<span>–</span>`;
  const width = 120;
  const at = (value) => width / 2 + (Math.max(-bound, Math.min(bound, value)) / bound) * (width / 2 - 4);
  const sure = interval.low > 0 ? "good" : interval.high < 0 ? "bad" : "unsure";
  return html`<span class="difference">
    <svg class=${sure} viewBox=${`0 0 ${width} 14`} width=${width} height="14" aria-hidden="true">
      <line class="zero" x1=${width / 2} x2=${width / 2} y1="0" y2="14"/>
      <line class="range" x1=${at(interval.low)} x2=${at(interval.high)} y1="7" y2="7"/>
      <circle cx=${at(interval.mean)} cy="7" r="3.5"/>
    </svg>
    <span>${intervalText(interval, signed)} <span class="hidden">${t(`interval.${sure}`)}</span></span>
  </span>`;
}

/** A bound that all of some intervals fit within. */
export function boundOf(intervals) {
  const ends = intervals.filter(Boolean).flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)]);
  return Math.max(0.01, ...ends);
}
