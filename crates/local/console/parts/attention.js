// What needs a person, in words.

import { html } from "../html.js";
import { number, ofCode, signed, t, time } from "../text/index.js";

const URGENCY = {
  no_domain: "note", no_model: "warn", run_failed: "bad", model_refused: "bad", promoted_for_erasures: "warn", model_withdrawn: "warn", stale_model: "warn",
  drifted: "warn", set_aside: "bad", degraded: "warn", refused: "warn", left_out: "note", no_bridge: "note",
};
const PAGES = {
  run_failed: "models", model_refused: "models", promoted_for_erasures: "models", model_withdrawn: "models", stale_model: "models", drifted: "models",
  refused: "ingest", left_out: "ingest", no_bridge: "bridges",
};

/** Needs whose reason is in words already. */
const OWN_WORDS = ["run_failed", "model_withdrawn"];

function words(need, names) {
  const values = { ...need };
  for (const key of ["at", "created_at"]) if (need[key]) values[key] = time(need[key]);
  for (const key of ["slates", "served", "elements", "events", "read", "people", "days", "files", "records"]) {
    if (need[key] !== undefined) values[key] = number(need[key]);
  }
  for (const key of ["domain", "from", "to"]) if (need[key]) values[key] = names(need[key]);
  if (need.intake) values.intake = t(`intake.${need.intake}`);
  if (need.reason && !OWN_WORDS.includes(need.code)) values.reason = ofCode(need.reason);
  if (need.gain) values.gain = `${signed(need.gain.mean)} [${signed(need.gain.low)}, ${signed(need.gain.high)}]`;
  const key = need.code === "no_bridge" && !need.gain ? "need.no_bridge.few" : `need.${need.code}`;
  return t(key, values);
}

/** The reasons that the gate or a run gave are its own words, in English. */
function reasons(need) {
  const given = OWN_WORDS.includes(need.code) ? [need.reason] : need.reasons ?? [];
  return given.length ? html`<ul lang="en">${given.map((reason) => html`<li>${reason}</li>`)}</ul>` : null;
}

/** Refusals of one kind of element are one need, with a line for each reason. */
function grouped(needs) {
  const found = [];
  for (const need of needs) {
    const same = need.code === "refused" && found.find((one) => one.code === "refused" && one.intake === need.intake);
    if (!same) {
      found.push(need.code === "refused" ? { ...need, kinds: [need] } : need);
      continue;
    }
    same.elements += need.elements;
    same.kinds.push(need);
  }
  return found;
}

const kinds = (need) => need.kinds
  ? html`<ul>${need.kinds.map((kind) => html`<li>${ofCode(kind.reason)}: ${number(kind.elements)}</li>`)}</ul>` : null;

export function Needs({ needs, names }) {
  if (!needs.length) return html`<p class="notice good">${t("home.nothing")}</p>`;
  return html`<ul class="needs">${grouped(needs).map((need) => {
    const urgency = URGENCY[need.code] ?? "note";
    const page = PAGES[need.code];
    return html`<li class=${urgency}>
      <span class="urgency">${t(`urgency.${urgency}`)}</span>
      <div><p>${words(need, names)}</p>${reasons(need)}${kinds(need)}
      ${page ? html`<a href=${`#/${page}`}>${t("see", { page: t(`${page}.title`) })}</a>` : null}</div>
    </li>`;
  })}</ul>`;
}

/** The name of a domain, from the status; its id where it has none. */
export const namesOf = (status) => (id) =>
  status.domains.find((domain) => domain.domain === id)?.name ?? id;
