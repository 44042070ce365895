// What a change of consent would do to a slate. Less is tried: the same slate is asked for
// without the consent, and nothing is logged. More is not: evidence that a person did not
// release is used for no answer, so what its bridge was measured to bring is told instead.

import { html } from "../html.js";
import { useEffect, useState } from "preact/hooks";
import { post } from "../api.js";
import { t } from "../text/index.js";
import { promiseText } from "./bridge.js";
import { Failure } from "./state.js";

/** Whether evidence may go from one domain to another for recommendations. */
function permits({ user, definitions }, from, to) {
  const decided = user?.consents.find((one) => one.from === from && one.to === to && one.purpose === "recommendation");
  if (decided) return decided.granted && !(decided.expires_at && new Date(decided.expires_at) <= new Date());
  const given = definitions[from]?.consent_defaults?.find((one) => one.to === to && one.purpose === "recommendation");
  return given ? given.granted : from === to;
}

function changeText(before, after) {
  const ids = (slate) => slate.items.map((item) => `${item.domain} ${item.item_id}`);
  const [had, has] = [ids(before), ids(after)];
  if (JSON.stringify(had) === JSON.stringify(has)) return t("consent.same");
  const gone = before.items.filter((item) => !has.includes(`${item.domain} ${item.item_id}`));
  const titles = (items) => items.slice(0, 3).map((item) => item.title || item.item_id).join(t("comma"));
  const come = after.items.filter((item) => !had.includes(`${item.domain} ${item.item_id}`));
  const moved = gone.length ? t("consent.changed", { gone: titles(gone), come: titles(come) || "–" }) : t("consent.order");
  return before.personalised && !after.personalised ? `${moved} ${t("consent.impersonal")}` : moved;
}

function Without({ request, slate, directions }) {
  const [state, set] = useState({});
  useEffect(() => {
    let current = true;
    post("/v1/recommendations", { ...request, inspect: false, without_consents: directions }).then(
      (value) => current && set({ value }), (error) => current && set({ error }));
    return () => { current = false; };
  }, [JSON.stringify([request, directions])]);
  if (state.error) return html`<${Failure} error=${state.error}/>`;
  return html`<p>${state.value ? changeText(slate, state.value) : t("loading")}</p>`;
}

/** One card for each domain that evidence may come from. */
export function Consents({ known, request, slate, names }) {
  const receivers = [...new Set([request.domain, ...request.target_domains])];
  return html`<ul class="cards wide">${Object.keys(known.definitions).map((from) => {
    const directions = receivers.map((to) => ({ from, to }));
    const missing = directions.filter(({ to }) => !permits(known, from, to));
    const to = receivers.filter((one) => one !== from || receivers.length === 1).map(names).join(t("comma"));
    const bridge = (target) => known.bridges?.find((one) => one.from === from && one.to === target);
    return html`<li class="card" key=${from}>
      <h3>${names(from)} → ${to}</h3>
      ${missing.length
        ? html`<p>${t("consent.missing", { to: missing.map((one) => names(one.to)).join(t("comma")) })}</p>
          ${request.target_domains.filter((target) => target !== from).map((target) => html`<p>${promiseText(bridge(target), names(from), names(target))}</p>`)}`
        : html`<p>${t("consent.given")}</p><${Without} request=${request} slate=${slate} directions=${directions}/>`}
    </li>`;
  })}</ul>`;
}
