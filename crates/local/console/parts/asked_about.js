// A page that asks for one person and shows what is answered.

import { html } from "../html.js";
import { useState } from "preact/hooks";
import { get, useRead } from "../api.js";
import { t } from "../text/index.js";
import { Failure, Ready } from "./state.js";
import { namesOf } from "./attention.js";

function Asked({ status, intro, ask: Ask, look, shown: Shown }) {
  const [state, set] = useState({});
  const names = namesOf(status);
  const ask = async (request) => {
    set({ ...state, busy: true });
    try {
      set({ looked: await look(request, status) });
    } catch (error) {
      set({ error });
    }
  };
  return html`<p>${t(intro)}</p>
    <${Ask} status=${status} ask=${ask} busy=${state.busy}/>
    <div aria-live="polite">${state.busy ? html`<p class="loading">${t("loading")}</p>` : null}</div>
    ${state.error ? html`<${Failure} error=${state.error}/>` : null}
    ${state.looked ? html`<${Shown} looked=${state.looked} names=${names}/>` : null}`;
}

/**
 * `ask` is the form, `look` what it asks for (of the request and the status), `shown` what shows
 * that, and `intro` names the text above.
 */
export function AskedAbout(of) {
  const read = useRead(() => get("/v1/status"));
  return html`<${Ready} of=${read}>${(status) => status.domains.length
    ? html`<${Asked} status=${status} ...${of}/>`
    : html`<p class="notice note">${t("need.no_domain")}</p>`}<//>`;
}
