// Where slates are shown, and what holds there: each domain's placements, and changing them.

import { html } from "../html.js";
import { useState } from "preact/hooks";
import { get, patch, useRead } from "../api.js";
import { figure, number, t } from "../text/index.js";
import { Failure, Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
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
function rulesText({ filters = {}, boosts = [], promotions = [], diversity, exploration }) {
  const counts = [["filters", Object.keys(filters).length], ["boosts", boosts.length], ["promotions", promotions.length]];
  const told = counts.filter(([, count]) => count).map(([kind, count]) => t(`places.${kind}`, { count: number(count) }));
  if (diversity) told.push(t("places.diversity", { share: figure(diversity) }));
  if (exploration) told.push(t("places.exploration", { share: figure(exploration) }));
  return told.join(t("comma")) || "–";
}

function Places({ places, names, edit }) {
  if (!places.length) return html`<p class="notice note">${t("places.none")}</p>`;
  const rows = places.map((place) => [
    html`<code>${place.name}</code>`, names(place.domain),
    (place.rules.target_domains ?? []).map(names).join(t("comma")) || t("places.any"),
    `${place.rules.limit ?? "–"} / ${place.rules.max_limit ?? "–"}`, rulesText(place.rules),
    html`<button type="button" aria-label=${`${t("places.edit")}: ${place.name}`} onClick=${() => edit(place)}>${t("places.edit")}</button>`,
  ]);
  return html`<${Table} caption=${t("places.title")}
    columns=${[t("places.place"), t("domain"), t("places.targets"), t("places.limits"), t("places.rules"), t("places.change")]} rows=${rows}/>`;
}

/** Puts or takes away one placement; the others of its domain stay. */
function Change({ status, edited, done }) {
  const [state, set] = useState({});
  const change = async (form, isKept) => {
    const data = new FormData(form);
    const name = data.get("place").trim();
    let rules = null;
    try {
      if (isKept) rules = JSON.parse(data.get("rules"));
    } catch (error) {
      set({ error: { code: "malformed_json", detail: error.message } });
      return;
    }
    set({ busy: true });
    try {
      await patch(`/v1/domains/${data.get("domain")}`, { placements: { [name]: rules } });
      set({ said: t(isKept ? "places.put" : "places.taken", { name }) });
      done();
    } catch (error) {
      set({ error });
    }
  };
  const submit = (event) => { event.preventDefault(); change(event.target, true); };
  return html`<form class="ask" key=${`${edited?.domain} ${edited?.name}`} onSubmit=${submit}>
    <div><label for="domain">${t("domain")}</label>
      <select id="domain" name="domain">${status.domains.map((one) => html`<option value=${one.domain} selected=${one.domain === edited?.domain}>${one.name}</option>`)}</select></div>
    <div><label for="place">${t("places.place")}</label>
      <input id="place" name="place" required pattern="[a-z][a-z0-9_\\-]*" maxlength="63" autocomplete="off" defaultValue=${edited?.name ?? ""}/></div>
    <div class="wide"><label for="rules">${t("places.rules.json")}</label>
      <textarea id="rules" name="rules" rows="12" spellcheck="false" required defaultValue=${JSON.stringify(edited?.rules ?? EXAMPLE, null, 2)} aria-describedby="rules-hint"></textarea>
      <p class="hint" id="rules-hint">${t("places.rules.hint")}</p></div>
    <div class="buttons"><button type="submit" class="primary" disabled=${state.busy}>${t("places.save")}</button>
      ${edited ? html`<button type="button" disabled=${state.busy} onClick=${(event) => change(event.target.form, false)}>${t("places.take")}</button>` : null}</div>
  </form>
  <div role="status">${state.said ? html`<p class="notice good">${state.said}</p>` : null}</div>
  ${state.error ? html`<${Failure} error=${state.error}/>` : null}`;
}

function View() {
  const found = useRead(read);
  const [edited, edit] = useState(null);
  return html`<${Ready} of=${found}>${({ status, places }) => html`
    <p>${t("places.intro")}</p>
    <section aria-labelledby="places"><h2 id="places">${t("places.title")}</h2>
      <${Places} places=${places} names=${namesOf(status)} edit=${edit}/></section>
    <section aria-labelledby="change"><h2 id="change">${t("places.change")}</h2>
      <${Change} status=${status} edited=${edited} done=${found.reload}/></section>`}<//>`;
}

export const places = { path: "places", title: "places.title", view: View };
