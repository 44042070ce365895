// The page around the pages: header, navigation, language, token.

import { render } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { token } from "./api.js";
import { choose, language, languages, t } from "./text/index.js";
import { pages } from "./pages/index.js";

const pageOf = (hash) => pages.find((page) => `#/${page.path}` === hash) ?? pages[0];
const current = signal(pageOf(location.hash));
addEventListener("hashchange", () => { current.value = pageOf(location.hash); });

const NAMES = { en: "English", "zh-CN": "中文" };

function Languages() {
  return html`<div class="languages" role="group" aria-label=${t("language")}>
    ${Object.keys(languages).map((tag) => html`
      <button type="button" lang=${tag} aria-pressed=${String(language.value === tag)}
        onClick=${() => choose(tag)}>${NAMES[tag]}</button>`)}
  </div>`;
}

function Token() {
  const keep = (event) => {
    event.preventDefault();
    token.value = new FormData(event.target).get("token").trim();
  };
  return html`<details class="token">
    <summary>${t(token.value ? "token.set" : "token")}</summary>
    <form onSubmit=${keep}>
      <label for="token">${t("token.label")}</label>
      <input id="token" name="token" type="password" autocomplete="off" defaultValue=${token.value} aria-describedby="token-hint"/>
      <p id="token-hint" class="hint">${t("token.hint")}</p>
      <button type="submit">${t("token.use")}</button>
    </form>
  </details>`;
}

function Console() {
  const main = useRef();
  const shown = useRef(current.value);
  const page = current.value;
  useEffect(() => {
    document.documentElement.lang = language.value;
    document.title = `${t(page.title)} – Crossfold`;
    // A reader of the page goes on where the new one begins.
    if (shown.current !== page) main.current?.querySelector("h1")?.focus();
    shown.current = page;
  }, [page, language.value]);
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <header>
      <p class="brand"><img src="/console/icon.svg" alt="" width="24" height="24"/> Crossfold</p>
      <nav aria-label=${t("pages")}><ul>
        ${pages.map((one) => html`<li><a href=${`#/${one.path}`}
          aria-current=${one === page ? "page" : undefined}>${t(one.title)}</a></li>`)}
      </ul></nav>
      <div class="tools"><${Languages}/><${Token}/></div>
    </header>
    <main id="main" tabindex="-1" ref=${main}>
      <h1 tabindex="-1">${t(page.title)}</h1>
      <${page.view} key=${page.path}/>
    </main>`;
}

render(html`<${Console}/>`, document.body);
