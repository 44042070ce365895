// What needs a person; then what was served, came in, and of whom.

import { html } from "../html.js";
import { get, useRead } from "../api.js";
import { ago, number, percent, t } from "../text/index.js";
import { Ready } from "../parts/state.js";
import { Needs, namesOf } from "../parts/attention.js";
import { Chart } from "../parts/chart.js";

function Tile({ name, value, more }) {
  return html`<div class="tile"><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`;
}

const DAY = 86_400_000;
/** Days that are shown at least, also when nothing happened on them. */
const SHOWN = 7;

/** Activity of all domains, by day up to today. */
function byDay(activity, today) {
  const days = new Map();
  const first = Math.min(today - (SHOWN - 1) * DAY, ...activity.map((of) => Date.parse(of.day)));
  for (let at = first; at <= today; at += DAY) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.set(day, { day, slates: 0, personalised: 0, degraded: 0, events: 0 });
  }
  for (const of of activity) {
    const day = days.get(of.day);
    day.slates += of.slates.served;
    day.personalised += of.slates.personalised;
    day.degraded += Object.values(of.slates.degraded).reduce((a, b) => a + b, 0);
    day.events += of.events.accepted;
  }
  return [...days.values()];
}

function Figures({ status }) {
  const days = byDay(status.activity, Date.parse(status.at.slice(0, 10)));
  const sum = (name) => days.reduce((total, day) => total + day[name], 0);
  const { champion, archive } = status;
  const share = sum("slates") ? t("home.personalised", { share: percent(sum("personalised") / sum("slates")) }) : "";
  return html`<dl class="tiles">
    <${Tile} name=${t("home.slates")} value=${number(sum("slates"))} more=${share}/>
    <${Tile} name=${t("home.events")} value=${number(sum("events"))} more=${t("home.30days")}/>
    <${Tile} name=${t("home.people")} value=${archive ? number(archive.people) : "–"}
      more=${archive ? t("home.ofrun", { ago: ago(archive.requested_at) }) : t("home.norun")}/>
    <${Tile} name=${t("home.model")} value=${champion ? html`<code>${champion.id.slice(0, 8)}</code>` : "–"}
      more=${champion ? t("home.made", { ago: ago(champion.created_at) }) : t("home.nomodel")}/>
  </dl>
  ${status.activity.length ? html`<${Days} days=${days}/>` : html`<p>${t("home.noactivity")}</p>`}`;
}

function Days({ days }) {
  const values = (name) => days.map((day) => day[name]);
  const times = days.map((day) => Date.parse(`${day.day}T00:00:00Z`) / 1000);
  const chart = (label, series) => html`<${Chart} label=${label} at=${times} series=${series}
    table=${{
      summary: t("numbers"), columns: [t("day"), ...series.map((one) => one.label)],
      rows: days.map((day, at) => [day.day, ...series.map((one) => number(one.values[at]))]),
      numeric: series.map((_, at) => at + 1),
    }}/>`;
  return html`<div class="charts">
    ${chart(t("home.chart.slates"), [
      { label: t("slates.served"), values: values("slates"), colour: "--accent" },
      { label: t("slates.personalised"), values: values("personalised"), colour: "--good", dash: [6, 4] },
      { label: t("slates.degraded"), values: values("degraded"), colour: "--bad", dash: [2, 3] },
    ])}
    ${chart(t("home.chart.events"), [{ label: t("events.accepted"), values: values("events"), colour: "--accent" }])}
  </div>`;
}

function Domains({ domains }) {
  if (!domains.length) return null;
  return html`<section aria-labelledby="domains"><h2 id="domains">${t("home.domains")}</h2>
    <ul class="cards">${domains.map((one) => html`<li class="card"><h3>${one.name}</h3>
      <p><code>${one.domain}</code></p>
      <p>${one.items === null ? t("home.unmodelled") : t("home.inmodel", { items: number(one.items), people: number(one.people) })}</p>
    </li>`)}</ul></section>`;
}

function Home() {
  const read = useRead(() => get("/v1/status"));
  return html`<${Ready} of=${read}>${(status) => html`
    <section aria-labelledby="needs"><h2 id="needs">${t("home.needs")}</h2>
      <${Needs} needs=${status.attention} names=${namesOf(status)}/></section>
    <section aria-labelledby="figures"><h2 id="figures">${t("home.figures")}</h2>
      <${Figures} status=${status}/></section>
    <${Domains} domains=${status.domains}/>`}<//>`;
}

export const home = { path: "home", title: "home.title", view: Home };
