// A slate for one person, looked into: nothing of it is logged, counted or shown to anyone.

import { html } from "../html.js";
import { championReport, get, isAbsent, post } from "../api.js";
import { language, ofCode, t } from "../text/index.js";
import { AskedAbout } from "../parts/asked_about.js";
import { LeftOut, Slate } from "../parts/slate.js";
import { Consents } from "../parts/consents.js";

/** All that an answer is looked at with. */
async function look(request, status) {
  const user = get(`/v1/users/${encodeURIComponent(request.user_id)}?domain=${request.domain}`);
  const definition = async ({ domain }) => [domain, await get(`/v1/domains/${domain}`)];
  const [slate, known, definitions, report] = await Promise.all([
    post("/v1/recommendations", request),
    user.catch((error) => (isAbsent(error) ? null : Promise.reject(error))),
    Promise.all(status.domains.map(definition)),
    championReport(status),
  ]);
  return { request, slate, known: { user: known, definitions: Object.fromEntries(definitions), bridges: report?.bridges } };
}

function requestOf(form) {
  const data = new FormData(form);
  const request = {
    user_id: data.get("user").trim(), domain: data.get("domain"), target_domains: data.getAll("target"),
    limit: Number(data.get("limit")), dry_run: true, inspect: true, locale: language.value,
  };
  if (!request.target_domains.length) request.target_domains = [request.domain];
  const placement = data.get("placement").trim();
  if (placement) request.placement = placement;
  return request;
}

function Ask({ status, ask, busy }) {
  const submit = (event) => {
    event.preventDefault();
    ask(requestOf(event.target));
  };
  return html`<form class="ask" onSubmit=${submit}>
    <div><label for="user">${t("try.user")}</label>
      <input id="user" name="user" required maxlength="128" autocomplete="off" aria-describedby="user-hint"/>
      <p class="hint" id="user-hint">${t("try.user.hint")}</p></div>
    <div><label for="domain">${t("try.domain")}</label>
      <select id="domain" name="domain">${status.domains.map((one) => html`<option value=${one.domain}>${one.name}</option>`)}</select></div>
    <fieldset><legend>${t("try.targets")}</legend>
      ${status.domains.map((one) => html`<label class="check"><input type="checkbox" name="target" value=${one.domain}/> ${one.name}</label>`)}
    </fieldset>
    <div><label for="placement">${t("try.placement")}</label>
      <input id="placement" name="placement" pattern="[a-z][a-z0-9_\\-]*" maxlength="63" autocomplete="off"/></div>
    <div><label for="limit">${t("try.limit")}</label>
      <input id="limit" name="limit" type="number" min="1" max="100" defaultValue="5"/></div>
    <div class="buttons"><button type="submit" class="primary" disabled=${busy}>${t("try.ask")}</button></div>
  </form>`;
}

function Looked({ looked, names }) {
  const { request, slate, known } = looked;
  return html`
    <section aria-labelledby="slate"><h2 id="slate">${t("try.slate")}</h2>
      <p>${t(slate.personalised ? "try.personal" : "try.impersonal")}</p>
      ${slate.degraded.length ? html`<p class="notice warn">${t("try.degraded", { codes: slate.degraded.map(ofCode).join(t("comma")) })}</p>` : null}
      <${Slate} slate=${slate} names=${names}/></section>
    <section aria-labelledby="leftout"><h2 id="leftout">${t("try.leftout")}</h2>
      <${LeftOut} inspection=${slate.inspection} targets=${request.target_domains} names=${names}/></section>
    <section aria-labelledby="consents"><h2 id="consents">${t("try.consents")}</h2>
      ${known.user ? null : html`<p class="hint">${t("try.unknown")}</p>`}
      <${Consents} known=${known} request=${request} slate=${slate} names=${names}/></section>`;
}

const TryIt = () => html`<${AskedAbout} intro="try.intro" ask=${Ask} look=${look} shown=${Looked}/>`;

export const tryIt = { path: "try", title: "try.title", view: TryIt };
