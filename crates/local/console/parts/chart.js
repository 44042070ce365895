// Lines over time, by uPlot; the numbers stand in a table below.

import uPlot from "uplot";
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { language } from "../text/index.js";
import { Table } from "./table.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * `at` are days in seconds, or, with `names`, the places of these names; `series` are
 * { label, values, colour: a custom property }.
 */
export function Chart({ label, at, names, series, table }) {
  const place = useRef();
  useEffect(() => {
    const element = place.current;
    const day = new Intl.DateTimeFormat(language.value, { month: "short", day: "numeric", timeZone: "UTC" });
    const draw = () => {
      const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
      const options = {
        width: element.clientWidth, height: 200, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
        cursor: { show: false }, legend: { show: false },
        scales: {
          x: { time: !names, range: names ? [-0.3, names.length - 0.7] : undefined },
          y: { range: (_, low, high) => [0, Math.max(high * 1.05, 0.01)] },
        },
        axes: [
          names
            ? { ...axis, values: (_, ticks) => ticks.map((tick) => names[tick] ?? ""), space: 70, incrs: [1, 2, 5, 10] }
            : { ...axis, values: (_, ticks) => ticks.map((tick) => day.format(tick * 1000)), space: 60, incrs: [1, 2, 7, 14].map((days) => days * 86_400) },
          { ...axis, size: 56 },
        ],
        series: [{}, ...series.map((one) => ({ label: one.label, stroke: colour(one.colour), width: 2, dash: one.dash, points: { show: true, size: 6, fill: colour(one.colour) } }))],
      };
      element.replaceChildren();
      return new uPlot(options, [at, ...series.map((one) => one.values)], element);
    };
    let chart = draw();
    const redraw = () => { chart.destroy(); chart = draw(); };
    const observer = new ResizeObserver(() => element.isConnected && chart.setSize({ width: element.clientWidth, height: 200 }));
    observer.observe(element);
    dark.addEventListener("change", redraw);
    return () => { observer.disconnect(); dark.removeEventListener("change", redraw); chart.destroy(); };
  }, [JSON.stringify([at, names, series]), language.value]);
  return html`<figure class="chart">
    <figcaption>${label}
      <span class="legend">${series.map((one) => html`<span><svg width="22" height="10" aria-hidden="true"><line x1="0" x2="22" y1="5" y2="5" class=${`stroke${one.colour}`} stroke-dasharray=${one.dash?.join(" ")}/></svg> ${one.label}</span>`)}</span>
    </figcaption>
    <div ref=${place} role="img" aria-label=${label}></div>
    <details><summary>${table.summary}</summary><${Table} caption=${label} ...${table}/></details>
  </figure>`;
}
