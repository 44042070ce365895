// The kinds of people of each domain and what they like, as the champion's run found them. What
// is shown of other callers' domains is nothing: the report leaves them out.

import { html } from "../html.js";
import { championReport, get, useRead } from "../api.js";
import { figure, language, number, percent, t } from "../text/index.js";
import { Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { Table } from "../parts/table.js";

/** Texts come in every language of the console. */
const inWords = (texts) => texts[language.value];

/** Whether it goes on from the model before. */
const standing = (one) => t(one.is_known ? "groups.known" : "groups.new");

function Segments({ of, name }) {
  if (!of?.segments) return html`<p class="hint">${t("groups.segments.none")}</p>`;
  const rows = (of.found ?? []).map((one) => [
    inWords(one.name), percent(one.share), standing(one),
    html`<ul class="lines">${inWords(one.because).map((text) => html`<li>${text}</li>`)}</ul>`,
  ]);
  return html`
    <p>${t("groups.segments.of", { segments: number(of.segments), sampled: number(of.sampled), people: number(of.people), explained: percent(of.explained) })}</p>
    <${Table} caption=${t("groups.segments", { domain: name })} numeric=${[1]}
      columns=${[t("groups.segment"), t("share"), t("state"), t("groups.apart")]} rows=${rows}/>`;
}

function Topics({ of, name }) {
  if (!of) return html`<p class="hint">${t("groups.topics.none")}</p>`;
  const rows = (of.found ?? []).map((one) => [
    inWords(one.name), percent(one.share), standing(one),
    one.words.join(t("comma")) || "–", figure(one.coherence),
  ]);
  return html`
    <p>${t("groups.topics.of", { topics: number(of.topics), people: number(of.people), words: number(of.words) })}</p>
    <${Table} caption=${t("groups.topics", { domain: name })} numeric=${[1, 4]}
      columns=${[t("groups.topic"), t("share"), t("state"), t("groups.words"), t("groups.coherence")]} rows=${rows}/>`;
}

function Domains({ status, report }) {
  const names = namesOf(status);
  const [segments, topics] = [report.segments ?? {}, report.topics ?? {}];
  const domains = [...new Set([...Object.keys(segments), ...Object.keys(topics)])].sort();
  if (!domains.length) return html`<p class="notice note">${t("groups.none")}</p>`;
  return html`<p>${t("groups.intro")}</p>
    ${domains.map((domain) => html`<section class="card" key=${domain} aria-label=${names(domain)}>
      <h2>${names(domain)}</h2>
      <${Segments} of=${segments[domain]} name=${names(domain)}/>
      <${Topics} of=${topics[domain]} name=${names(domain)}/>
    </section>`)}`;
}

function Groups() {
  const read = useRead(async () => {
    const status = await get("/v1/status");
    return { status, report: await championReport(status) };
  });
  return html`<${Ready} of=${read}>${({ status, report }) => report
    ? html`<${Domains} status=${status} report=${report}/>`
    : html`<p class="notice note">${t(status.champion ? "report.none" : "groups.nomodel")}</p>`}<//>`;
}

export const groups = { path: "groups", title: "groups.title", view: Groups };
