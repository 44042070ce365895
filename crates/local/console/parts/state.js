// What is shown until something is read, and when it cannot be.

import { html } from "../html.js";
import { ofCode, t } from "../text/index.js";

export function Failure({ error }) {
  const hint = error.status === 401 || error.status === 403 ? html`<p>${t("problem.token")}</p>` : null;
  return html`<div class="notice bad" role="alert">
    <p><strong>${t("problem")}</strong> ${ofCode(error.code ?? "unknown")}</p>
    ${error.detail ? html`<p lang="en">${error.detail}</p>` : null}${hint}
  </div>`;
}

/** Shows `children` with what was read. */
export function Ready({ of, children }) {
  if (of.error) return html`<${Failure} error=${of.error}/>`;
  if (of.loading) return html`<p role="status" class="loading">${t("loading")}</p>`;
  return children(of.value);
}
