// One entry, by its name, of a field of a domain's definition: put, changed, or taken away.

import { html } from "../html.js";
import { useState } from "preact/hooks";
import { patch } from "../api.js";
import { t } from "../text/index.js";
import { Failure } from "./state.js";

/** The others of its domain stay. `edited` is what a table's button chose to be changed. */
export function DefinitionEntry({ status, field, edited, done, example, labels }) {
  const [state, set] = useState({});
  const change = async (form, isKept) => {
    const data = new FormData(form);
    const name = data.get("name").trim();
    let rules = null;
    try {
      if (isKept) rules = JSON.parse(data.get("rules"));
    } catch (error) {
      set({ error: { code: "malformed_json", detail: error.message } });
      return;
    }
    set({ busy: true });
    try {
      await patch(`/v1/domains/${data.get("domain")}`, { [field]: { [name]: rules } });
      set({ said: t(isKept ? "entry.put" : "entry.taken", { name }) });
      done();
    } catch (error) {
      set({ error });
    }
  };
  const submit = (event) => { event.preventDefault(); change(event.target, true); };
  return html`<form class="ask" key=${`${edited?.domain} ${edited?.name}`} onSubmit=${submit}>
    <div><label for="domain">${t("domain")}</label>
      <select id="domain" name="domain">${status.domains.map((one) => html`<option value=${one.domain} selected=${one.domain === edited?.domain}>${one.name}</option>`)}</select></div>
    <div><label for="name">${labels.name}</label>
      <input id="name" name="name" required pattern="[a-z][a-z0-9_\\-]*" maxlength="63" autocomplete="off" defaultValue=${edited?.name ?? ""}/></div>
    <div class="wide"><label for="rules">${labels.rules}</label>
      <textarea id="rules" name="rules" rows="12" spellcheck="false" required defaultValue=${JSON.stringify(edited?.rules ?? example, null, 2)} aria-describedby="rules-hint"></textarea>
      <p class="hint" id="rules-hint">${labels.hint}</p></div>
    <div class="buttons"><button type="submit" class="primary" disabled=${state.busy}>${t("entry.save")}</button>
      ${edited ? html`<button type="button" disabled=${state.busy} onClick=${(event) => change(event.target.form, false)}>${t("entry.take")}</button>` : null}</div>
  </form>
  <div role="status">${state.said ? html`<p class="notice good">${state.said}</p>` : null}</div>
  ${state.error ? html`<${Failure} error=${state.error}/>` : null}`;
}
