// A person: what they did as far as the caller may see it, what is known of them, and the slate
// that they would be shown. Nothing of it is stored, logged or counted.

import { html } from "../html.js";
import { get, post } from "../api.js";
import { language, ofCode, t } from "../text/index.js";
import { AskedAbout } from "../parts/asked_about.js";
import { Profile } from "../parts/profile.js";
import { Slate } from "../parts/slate.js";

/** Named in the query, where an id with a slash can stand. */
async function look({ user_id, domain }) {
  const query = new URLSearchParams({ user_id, domain, locale: language.value });
  const request = { user_id, domain, limit: 5, dry_run: true, locale: language.value };
  const [profile, slate] = await Promise.all([
    get(`/v1/users/-/profile?${query}`),
    post("/v1/recommendations", request),
  ]);
  return { profile, slate };
}

function Ask({ status, ask, busy }) {
  const submit = (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    ask({ user_id: data.get("user").trim(), domain: data.get("domain") });
  };
  return html`<form class="ask" onSubmit=${submit}>
    <div><label for="user">${t("try.user")}</label>
      <input id="user" name="user" required maxlength="128" autocomplete="off" aria-describedby="user-hint"/>
      <p class="hint" id="user-hint">${t("try.user.hint")}</p></div>
    <div><label for="domain">${t("try.domain")}</label>
      <select id="domain" name="domain">${status.domains.map((one) => html`<option value=${one.domain}>${one.name}</option>`)}</select></div>
    <div class="buttons"><button type="submit" class="primary" disabled=${busy}>${t("people.ask")}</button></div>
  </form>`;
}

function Looked({ looked, names }) {
  const { profile, slate } = looked;
  return html`
    <section aria-labelledby="profile"><h2 id="profile">${t("people.profile")}</h2>
      <${Profile} profile=${profile} names=${names}/></section>
    <section aria-labelledby="slate"><h2 id="slate">${t("try.slate")}</h2>
      <p>${t(slate.personalised ? "try.personal" : "try.impersonal")}</p>
      ${slate.degraded.length ? html`<p class="notice warn">${t("try.degraded", { codes: slate.degraded.map(ofCode).join(t("comma")) })}</p>` : null}
      <${Slate} slate=${slate} names=${names}/></section>`;
}

const People = () => html`<${AskedAbout} intro="people.intro" ask=${Ask} look=${look} shown=${Looked}/>`;

export const people = { path: "people", title: "people.title", view: People };
