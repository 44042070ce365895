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
    user_id: data.get("user").trim(), domain: data.get("domain"),
    dry_run: true, inspect: true, locale: language.value,
  };
  // What is left open is for the placement to say.
  const targets = data.getAll("target");
  if (targets.length) request.target_domains = targets;
  for (const name of ["placement", "query", "context", "filter"]) {
    const text = data.get(name).trim();
    if (text) request[name] = name === "filter" && text.startsWith("{") ? objectOf(text) : text;
  }
  for (const name of ["limit", "diversity", "calibration", "exploration"]) {
    const text = data.get(name).trim();
    if (text) request[name] = Number(text);
  }
  const applicant = applicantOf(data);
  if (applicant) request.applicant = applicant;
  return request;
}

/** Filters by target; what is no JSON is told by the API, as the text that it is. */
function objectOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const MONEY = ["monthly_income", "monthly_debts", "down_payment"];

/** What was told of who applies: amounts as they were written, for they are exact. */
function applicantOf(data) {
  const told = [...MONEY, "region"].map((name) => [name, data.get(name).trim()]).filter(([, text]) => text);
  const whole = ["age", "term_months"].map((name) => [name, data.get(name)]).filter(([, text]) => text);
  const applicant = Object.fromEntries([...told, ...whole.map(([name, text]) => [name, Number(text)])]);
  return Object.keys(applicant).length ? applicant : undefined;
}

/** What few ask for. */
function Further() {
  const share = (name, most) => html`<div><label for=${name}>${t(`try.${name}`)}</label>
    <input id=${name} name=${name} type="number" min="0" max=${most} step="any"/></div>`;
  const text = (name) => html`<div><label for=${name}>${t(`applicant.${name}`)}</label>
    <input id=${name} name=${name} maxlength="40" inputmode=${name === "region" ? "text" : "decimal"} autocomplete="off"/></div>`;
  const whole = (name, least, most) => html`<div><label for=${name}>${t(`applicant.${name}`)}</label>
    <input id=${name} name=${name} type="number" min=${least} max=${most}/></div>`;
  return html`<details class="further"><summary>${t("try.further")}</summary><div class="ask">
    <div><label for="context">${t("try.context")}</label>
      <textarea id="context" name="context" maxlength="2000" rows="3" aria-describedby="context-hint"></textarea>
      <p class="hint" id="context-hint">${t("try.context.hint")}</p></div>
    <div><label for="filter">${t("try.filter")}</label>
      <textarea id="filter" name="filter" maxlength="4096" rows="3" spellcheck="false" aria-describedby="filter-hint"></textarea>
      <p class="hint" id="filter-hint">${t("try.filter.hint")}</p></div>
    ${share("diversity", 1)}${share("calibration", 1)}${share("exploration", 0.5)}
    <fieldset><legend>${t("try.applicant")}</legend>
      ${MONEY.map(text)}${whole("age", 0, 150)}${text("region")}${whole("term_months", 1, 600)}
      <p class="hint">${t("try.applicant.hint")}</p></fieldset>
  </div></details>`;
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
    <div><label for="query">${t("try.query")}</label>
      <input id="query" name="query" maxlength="256" autocomplete="off"/></div>
    <div><label for="limit">${t("try.limit")}</label>
      <input id="limit" name="limit" type="number" min="1" max="100"/></div>
    <${Further}/>
    <div class="buttons"><button type="submit" class="primary" disabled=${busy}>${t("try.ask")}</button></div>
  </form>`;
}

/** Whose items are served where the request names none: those of the placement, or the platform's own. */
function targetsOf({ domain, placement }, { definitions }) {
  const of = definitions[domain]?.placements?.[placement]?.target_domains ?? [];
  return of.length ? of : [domain];
}

function Looked({ looked, names }) {
  const { request, slate, known } = looked;
  const targets = request.target_domains ?? targetsOf(request, known);
  return html`
    <section aria-labelledby="slate"><h2 id="slate">${t("try.slate")}</h2>
      <p>${t(slate.personalised ? "try.personal" : "try.impersonal")}</p>
      ${slate.degraded.length ? html`<p class="notice warn">${t("try.degraded", { codes: slate.degraded.map(ofCode).join(t("comma")) })}</p>` : null}
      <${Slate} slate=${slate} names=${names}/></section>
    <section aria-labelledby="leftout"><h2 id="leftout">${t("try.leftout")}</h2>
      <${LeftOut} inspection=${slate.inspection} targets=${targets} names=${names}/></section>
    <section aria-labelledby="consents"><h2 id="consents">${t("try.consents")}</h2>
      ${known.user ? null : html`<p class="hint">${t("try.unknown")}</p>`}
      <${Consents} known=${known} request=${{ ...request, target_domains: targets }} slate=${slate} names=${names}/></section>`;
}

const TryIt = () => html`<${AskedAbout} intro="try.intro" ask=${Ask} look=${look} shown=${Looked}/>`;

export const tryIt = { path: "try", title: "try.title", view: TryIt };
