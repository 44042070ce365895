// How catalogues stand and how much of them people are shown; and a filter, tried on slates that were served.

import { html } from "../html.js";
import { useState } from "preact/hooks";
import { get, post, useRead } from "../api.js";
import { number, percent, t, time } from "../text/index.js";
import { Failure, Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { Table } from "../parts/table.js";

async function read() {
  const status = await get("/v1/status");
  const report = ({ domain }) => get(`/v1/domains/${domain}/catalogue`);
  return { status, reports: await Promise.all(status.domains.map(report)) };
}

function refusedText(refused) {
  const told = Object.entries(refused).map(([reason, offers]) => `${reason}: ${number(offers)}`);
  return told.join(t("comma")) || "–";
}

function Reports({ reports, names }) {
  const rows = reports.map((report) => [
    names(report.domain), number(report.items), number(report.available),
    t("catalogue.newof", { shown: number(report.new_shown), items: number(report.new) }),
    number(report.not_in_model), number(report.offers), refusedText(report.refused_offers),
    report.coverage === null ? "–" : t("catalogue.share", { share: percent(report.coverage), slates: number(report.served.slates) }),
  ]);
  return html`<${Table} caption=${t("catalogue.title")} columns=${[
    t("domain"), t("catalogue.items"), t("catalogue.available"), t("catalogue.new"), t("catalogue.unknown"),
    t("catalogue.offers"), t("catalogue.refused"), t("catalogue.coverage")]} rows=${rows}/>`;
}

/** What a trial found, in one sentence, and what it would remove most often. */
function Trial({ trial, names }) {
  const { served } = trial;
  if (!served.slates) return html`<p class="notice note">${t("trial.noslates")}</p>`;
  const rows = trial.most_removed.map((item) => [html`<code>${item.item_id}</code>`, item.title ?? "–", number(item.times)]);
  return html`<p>${t("trial.found", {
    removed: number(trial.removed), shown: number(trial.shown), slates: number(served.slates),
    changed: number(trial.slates_changed), emptied: number(trial.slates_emptied) })}</p>
    <p>${t("trial.between", { since: time(served.since), until: time(served.until) })}
      ${" "}${t("trial.admitted", { admitted: number(trial.admitted), available: number(trial.available), domain: names(trial.target_domain) })}</p>
    ${rows.length ? html`<${Table} caption=${t("trial.most")} columns=${[t("trial.item"), t("trial.name"), t("trial.times")]} rows=${rows}/>` : null}`;
}

function Try({ status, names }) {
  const [state, set] = useState({});
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const [domain, placement] = [data.get("domain"), data.get("placement").trim()];
    set({ busy: true });
    try {
      const body = { filter: data.get("filter"), target_domain: data.get("target"), ...(placement ? { placement } : {}) };
      set({ trial: await post(`/v1/domains/${domain}/filter-trial`, body) });
    } catch (error) {
      set({ error });
    }
  };
  const choices = status.domains.map((one) => html`<option value=${one.domain}>${one.name}</option>`);
  return html`<form class="ask" onSubmit=${submit}>
    <div><label for="domain">${t("trial.platform")}</label><select id="domain" name="domain">${choices}</select></div>
    <div><label for="target">${t("trial.target")}</label><select id="target" name="target">${choices}</select></div>
    <div><label for="placement">${t("trial.placement")}</label>
      <input id="placement" name="placement" pattern="[a-z][a-z0-9_\\-]*" maxlength="63" autocomplete="off"/></div>
    <div class="wide"><label for="filter">${t("trial.filter")}</label>
      <textarea id="filter" name="filter" rows="3" spellcheck="false" required placeholder="price <= 300000"></textarea></div>
    <div class="buttons"><button type="submit" class="primary" disabled=${state.busy}>${t("trial.run")}</button></div>
  </form>
  <div role="status">${state.trial ? html`<${Trial} trial=${state.trial} names=${names}/>` : null}</div>
  ${state.error ? html`<${Failure} error=${state.error}/>` : null}`;
}

function View() {
  const found = useRead(read);
  return html`<${Ready} of=${found}>${({ status, reports }) => html`
    <p>${t("catalogue.intro")}</p>
    <section aria-labelledby="catalogue"><h2 id="catalogue">${t("catalogue.title")}</h2>
      <${Reports} reports=${reports} names=${namesOf(status)}/></section>
    <section aria-labelledby="trial"><h2 id="trial">${t("trial.heading")}</h2><p>${t("trial.intro")}</p>
      <${Try} status=${status} names=${namesOf(status)}/></section>`}<//>`;
}

export const catalogue = { path: "catalogue", title: "catalogue.title", view: View };
