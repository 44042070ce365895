// What platforms tell their users of by themselves: each domain's campaigns, what became of them, and
// changing them.

import { html } from "../html.js";
import { useState } from "preact/hooks";
import { get, useRead } from "../api.js";
import { number, t } from "../text/index.js";
import { Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { DefinitionEntry } from "../parts/definition_entry.js";
import { Table } from "../parts/table.js";

const EXAMPLE = { trigger: { event_type: "complete" }, placement: "after-course", delay_minutes: 30, frequency_cap: { times: 1, days: 30 } };

async function read() {
  const status = await get("/v1/status");
  const definition = async ({ domain }) => [domain, await get(`/v1/domains/${domain}`)];
  const definitions = await Promise.all(status.domains.map(definition));
  const campaigns = definitions.flatMap(([domain, { campaigns: all, contact }]) =>
    Object.entries(all ?? {}).map(([name, rules]) => ({ domain, name, rules, contact })));
  return { status, campaigns };
}

/** How often, and when not, over all campaigns of a platform. */
function contactText({ frequency_cap: cap = { times: 3, days: 7 }, quiet_hours: quiet } = {}) {
  const often = t("campaigns.cap", { times: number(cap.times), days: number(cap.days) });
  if (!quiet) return often;
  return [often, t("campaigns.quiet", { from: quiet.from, until: quiet.until, zone: quiet.zone })].join(t("comma"));
}

function triggerText({ event_type: type, filter }) {
  return html`<code>${type}</code>${filter ? html` <code>${filter}</code>` : null}`;
}

function capText(cap) {
  return cap ? t("campaigns.cap", { times: number(cap.times), days: number(cap.days) }) : "–";
}

function All({ campaigns, names, edit }) {
  if (!campaigns.length) return html`<p class="notice note">${t("campaigns.none")}</p>`;
  const rows = campaigns.map((campaign) => [
    html`<code>${campaign.name}</code>${campaign.rules.paused ? html` <em>${t("campaigns.paused")}</em>` : null}`,
    names(campaign.domain), triggerText(campaign.rules.trigger), html`<code>${campaign.rules.placement}</code>`,
    capText(campaign.rules.frequency_cap), contactText(campaign.contact),
    html`<button type="button" aria-label=${`${t("entry.edit")}: ${campaign.name}`} onClick=${() => edit(campaign)}>${t("entry.edit")}</button>`,
  ]);
  return html`<${Table} caption=${t("campaigns.title")}
    columns=${[t("campaigns.campaign"), t("domain"), t("campaigns.trigger"), t("campaigns.placement"), t("campaigns.often"), t("campaigns.contact"), t("entry.change")]} rows=${rows}/>`;
}

/** What became of pushes in the days that the status tells of, by platform. */
function Became({ status, names }) {
  const sums = new Map();
  const add = (domain, what, count) => {
    const key = `${domain} ${what}`;
    sums.set(key, { domain, what, count: (sums.get(key)?.count ?? 0) + count });
  };
  for (const { domain, pushes } of status.activity) {
    if (pushes.told) add(domain, "told", pushes.told);
    for (const [code, count] of Object.entries(pushes.not_told)) add(domain, code, count);
  }
  if (!sums.size) return html`<p class="notice note">${t("campaigns.nothing")}</p>`;
  const rows = [...sums.values()].map(({ domain, what, count }) => [names(domain), t(`pushes.${what}`), number(count)]);
  return html`<${Table} caption=${t("campaigns.became")} columns=${[t("domain"), t("campaigns.what"), t("campaigns.count")]} rows=${rows}/>`;
}

function View() {
  const found = useRead(read);
  const [edited, edit] = useState(null);
  return html`<${Ready} of=${found}>${({ status, campaigns }) => html`
    <p>${t("campaigns.intro")}</p>
    <section aria-labelledby="campaigns"><h2 id="campaigns">${t("campaigns.title")}</h2>
      <${All} campaigns=${campaigns} names=${namesOf(status)} edit=${edit}/></section>
    <section aria-labelledby="became"><h2 id="became">${t("campaigns.became")}</h2>
      <${Became} status=${status} names=${namesOf(status)}/></section>
    <section aria-labelledby="change"><h2 id="change">${t("entry.change")}</h2>
      <${DefinitionEntry} status=${status} edited=${edited} done=${found.reload} field="campaigns" example=${EXAMPLE}
        labels=${{ name: t("campaigns.campaign"), rules: t("campaigns.rules.json"), hint: t("campaigns.rules.hint") }}/></section>`}<//>`;
}

export const campaigns = { path: "campaigns", title: "campaigns.title", view: View };
