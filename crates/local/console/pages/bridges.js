// A cell for each direction between two domains: what a bridge gains, and whether it is served.

import { html } from "../html.js";
import { championReport, get, useRead } from "../api.js";
import { figure, number, t } from "../text/index.js";
import { Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { Table } from "../parts/table.js";
import { Difference, boundOf, intervalText } from "../parts/interval.js";
import { gainOf, isServed, verdictText } from "../parts/bridge.js";

const NONE = "none";

function Cell({ direction, bound }) {
  if (!direction) return html`<span class="hint">–</span>`;
  const [served, gain] = [isServed(direction), gainOf(direction)];
  return html`<div class="cell">
    <strong class=${served ? "good" : "unsure"}>${t(served ? "bridge.served" : "bridge.unserved")}</strong>
    ${gain ? html`<${Difference} interval=${gain} bound=${bound}/>` : null}
    <span>${verdictText(direction)}</span>
    <span class="hint">${t("bridge.people", { people: number(direction.people), judging: number(direction.judging_people) })}</span>
  </div>`;
}

function Candidates({ direction, names }) {
  const rows = direction.candidates.map((of) => [
    t(`bridge.${of.candidate.kind}`), intervalText(of.judging),
    html`<${Difference} interval=${of.over_popularity} bound=${boundOf([of.over_popularity])}/>`,
    html`<${Difference} interval=${of.over_target_only} bound=${boundOf([of.over_target_only])}/>`,
  ]);
  const title = `${names(direction.from)} → ${names(direction.to)}`;
  return html`<details><summary>${title}</summary>
    <p>${t("bridge.baselines", { popularity: figure(direction.popularity), own: figure(direction.target_only) })}</p>
    <${Table} caption=${t("bridge.candidates", { direction: title })}
      columns=${[t("bridge.kind"), t("ndcg"), t("over.popularity"), t("over.own")]} rows=${rows}/>
  </details>`;
}

function Priors({ priors, names }) {
  if (!priors.length) return null;
  return html`<section aria-labelledby="priors"><h2 id="priors">${t("priors.title")}</h2>
    <p>${t("priors.intro")}</p>
    <ul>${priors.map((one) => html`<li key=${`${one.from} ${one.to}`}>${names(one.from)} → ${names(one.to)}</li>`)}</ul>
  </section>`;
}

function Directions({ status, report }) {
  const names = namesOf(status);
  const directions = report.bridges ?? [];
  const priors = html`<${Priors} priors=${report.priors ?? []} names=${names}/>`;
  if (!directions.length) return html`<p class="notice note">${t("bridges.none")}</p>${priors}`;
  const domains = [...new Set(directions.flatMap((one) => [one.from, one.to]))].sort();
  const at = new Map(directions.map((one) => [`${one.from} ${one.to}`, one]));
  const bound = boundOf(directions.map(gainOf));
  const cell = (from, to) => html`<${Cell} direction=${at.get(`${from} ${to}`)} bound=${bound}/>`;
  const rows = domains.map((from) => [names(from), ...domains.map((to) => (from === to ? NONE : cell(from, to)))
    .map((one) => (one === NONE ? html`<span class="hint">${t("bridge.own")}</span>` : one))]);
  return html`
    <p>${t("bridges.intro")}</p>
    <div class="matrix"><${Table} caption=${t("bridges.caption")} columns=${[t("from.to"), ...domains.map(names)]} rows=${rows}/></div>
    <section aria-labelledby="candidates"><h2 id="candidates">${t("bridges.candidates")}</h2>
      ${directions.map((one) => html`<${Candidates} key=${`${one.from} ${one.to}`} direction=${one} names=${names}/>`)}
    </section>
    ${priors}`;
}

function Bridges() {
  const read = useRead(async () => {
    const status = await get("/v1/status");
    return { status, report: await championReport(status) };
  });
  return html`<${Ready} of=${read}>${({ status, report }) => report
    ? html`<${Directions} status=${status} report=${report}/>`
    : html`<p class="notice note">${t(status.champion ? "report.none" : "bridges.nomodel")}</p>`}<//>`;
}

export const bridges = { path: "bridges", title: "bridges.title", view: Bridges };
