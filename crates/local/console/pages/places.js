// Where slates are shown, and what holds there: each domain's placements, and changing them.

import { html } from "../html.js";
import { useState } from "preact/hooks";
import { get, useRead } from "../api.js";
import { figure, number, t } from "../text/index.js";
import { Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { DefinitionEntry } from "../parts/definition_entry.js";
import { Table } from "../parts/table.js";

const EXAMPLE = { limit: 4, max_limit: 8, exploration: 0.1 };

async function read() {
  const status = await get("/v1/status");
  const definition = async ({ domain }) => [domain, await get(`/v1/domains/${domain}`)];
  const definitions = await Promise.all(status.domains.map(definition));
  const places = definitions.flatMap(([domain, { placements }]) =>
    Object.entries(placements ?? {}).map(([name, rules]) => ({ domain, name, rules })));
  return { status, places };
}

/** How many rules there are of each kind, and the shares. */
function rulesText({ filters = {}, boosts = [], promotions = [], quotas = [], fatigue, ...shares }) {
  const counts = [["filters", Object.keys(filters).length], ["boosts", boosts.length], ["promotions", promotions.length],
    ["quotas", quotas.length]];
  const told = counts.filter(([, count]) => count).map(([kind, count]) => t(`places.${kind}`, { count: number(count) }));
  for (const name of ["diversity", "calibration", "exploration"]) {
    if (shares[name]) told.push(t(`places.${name}`, { share: figure(shares[name]) }));
  }
  if (fatigue) told.push(t("places.fatigue", { days: number(fatigue.after) }));
  return told.join(t("comma")) || "–";
}

function Places({ places, names, edit }) {
  if (!places.length) return html`<p class="notice note">${t("places.none")}</p>`;
  const rows = places.map((place) => [
    html`<code>${place.name}</code>`, names(place.domain),
    (place.rules.target_domains ?? []).map(names).join(t("comma")) || t("places.any"),
    `${place.rules.limit ?? "–"} / ${place.rules.max_limit ?? "–"}`, rulesText(place.rules),
    html`<button type="button" aria-label=${`${t("entry.edit")}: ${place.name}`} onClick=${() => edit(place)}>${t("entry.edit")}</button>`,
  ]);
  return html`<${Table} caption=${t("places.title")}
    columns=${[t("places.place"), t("domain"), t("places.targets"), t("places.limits"), t("places.rules"), t("entry.change")]} rows=${rows}/>`;
}

function View() {
  const found = useRead(read);
  const [edited, edit] = useState(null);
  return html`<${Ready} of=${found}>${({ status, places }) => html`
    <p>${t("places.intro")}</p>
    <section aria-labelledby="places"><h2 id="places">${t("places.title")}</h2>
      <${Places} places=${places} names=${namesOf(status)} edit=${edit}/></section>
    <section aria-labelledby="change"><h2 id="change">${t("entry.change")}</h2>
      <${DefinitionEntry} status=${status} edited=${edited} done=${found.reload} field="placements" example=${EXAMPLE}
        labels=${{ name: t("places.place"), rules: t("places.rules.json"), hint: t("places.rules.hint") }}/></section>`}<//>`;
}

export const places = { path: "places", title: "places.title", view: View };
