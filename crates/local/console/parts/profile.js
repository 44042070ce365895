// What is known of a person: each line with what it rests on.

import { html } from "../html.js";
import { number, ofCode, percent, t, time } from "../text/index.js";
import { Table } from "./table.js";

/** What lines are told of, in the order in which they are shown. */
const HABITS = ["active_hours", "active_weekdays", "sessions", "pace", "completion", "format"];
const SPENDING = ["price_band", "price_choice", "discounts", "income"];
/** Measured numbers that are no shares. */
const PLAIN = ["minutes", "sessions_per_week", "days_to_complete", "ratio"];

/** The numbers of a line that were measured, each with its interval. */
function measured(line) {
  const isMeasured = ([, value]) => value && typeof value === "object" && "low" in value;
  return Object.entries(line).filter(isMeasured).map(([name, { value, low, high }]) => {
    const format = PLAIN.includes(name) ? number : percent;
    return `${t(`measure.${name}`)} ${format(value)} [${format(low)}, ${format(high)}]`;
  });
}

function evidenceText({ domains, events, from, until }, names) {
  const where = domains.map(names).join(t("comma"));
  if (events === undefined) return t("people.evidence.elsewhere", { where });
  if (!from) return t("people.evidence.declared", { where });
  return t("people.evidence", { where, events: number(events), from: time(from), until: time(until) });
}

function Lines({ lines, names }) {
  return html`<ul class="lines">${lines.map((line) => html`<li>
    <p>${line.text}</p>
    <p class="hint">${[...measured(line), evidenceText(line.evidence, names)].join(" · ")}</p></li>`)}</ul>`;
}

/** Under a heading, where there is something to tell. */
function Group({ title, lines, names }) {
  if (!lines.length) return null;
  return html`<h4>${t(title)}</h4><${Lines} lines=${lines} names=${names}/>`;
}

function History({ history, name }) {
  const types = Object.entries(history.by_type).map(([type, events]) => `${type} ${number(events)}`).join(t("comma"));
  const rows = history.recent.map((event) => [time(event.occurred_at), event.event_type, event.title ?? event.item_id]);
  return html`<p>${t(history.may_have_more ? "people.history.newest" : "people.history.of", { events: number(history.events), items: number(history.items), types })}</p>
    <${Table} caption=${t("people.recent", { domain: name })} columns=${[t("time"), t("what"), t("which")]} rows=${rows}/>`;
}

function Domain({ of, names }) {
  const told = (group, kinds) => kinds.map((kind) => group?.[kind]).filter(Boolean);
  const groups = [
    ["people.categories", of.categories], ["people.items", of.items],
    ["people.described", [of.segment, ...of.topics].filter(Boolean)],
    ["people.habits", told(of.habits, HABITS)], ["people.spending", told(of.spending, SPENDING)],
  ];
  return html`<section class="card" aria-label=${names(of.domain)}><h3>${names(of.domain)}</h3>
    ${of.history ? html`<${History} history=${of.history} name=${names(of.domain)}/>` : null}
    ${groups.map(([title, lines]) => html`<${Group} title=${title} lines=${lines} names=${names}/>`)}
    ${groups.some(([, lines]) => lines.length) ? null : html`<p class="hint">${t("people.few")}</p>`}
  </section>`;
}

export function Profile({ profile, names }) {
  return html`
    ${profile.degraded.length ? html`<p class="notice warn">${t("people.degraded", { codes: profile.degraded.map(ofCode).join(t("comma")) })}</p>` : null}
    ${profile.personalised || profile.domains.length ? null : html`<p class="notice note">${t("people.nothing")}</p>`}
    ${profile.domains.map((of) => html`<${Domain} key=${of.domain} of=${of} names=${names}/>`)}
    ${profile.expected.length ? html`<section class="card" aria-labelledby="expected"><h3 id="expected">${t("people.expected")}</h3>
      <${Lines} lines=${profile.expected} names=${names}/></section>` : null}
    ${profile.domains.length && profile.domains.every((of) => !of.spending) ? html`<p class="hint">${t("people.nomeans")}</p>` : null}`;
}
