// Every page of the console in both languages, at two widths, light and dark: no error, no
// breach of the content security policy, no accessibility violation, nothing wider than the
// window; then by keyboard alone, and what the pages do.
//
//   node check.mjs BASE CHROMIUM [SCREENSHOTS]

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { LEARNER, prepare, status } from "./world.mjs";
import { keyboard } from "./keyboard.mjs";
import { deeds } from "./deeds.mjs";

const [base, executablePath, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["home", "try", "catalogue", "places", "campaigns", "people", "groups", "bridges", "models", "ingest"];
const WIDTHS = [[1280, 900], [390, 844]];
const LANGUAGES = ["en", "zh-CN"];
const problems = [];
const keys = await (await fetch(`${base}/console/text/en.js`)).text();
const KEYS = [...keys.matchAll(/"([a-z0-9]+(?:\.[a-z0-9_]+)+)":/g)].map(([, key]) => key);

/** A page whose every complaint is remembered. */
async function open(browser, options, where) {
  const context = await browser.newContext(options);
  await context.addInitScript(() => {
    window.breaches = [];
    addEventListener("securitypolicyviolation", (event) =>
      window.breaches.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    // What the deeds have refused, on purpose.
    const isRefusal = where() === "deeds" && message.text().includes("status of 422");
    if (["error", "warning"].includes(message.type()) && !isRefusal) problems.push(`${where()}: console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`${where()}: ${error.stack}`));
  page.on("requestfailed", (request) => {
    // A page that is left does not wait for its answers.
    const why = request.failure()?.errorText;
    if (why !== "net::ERR_ABORTED") problems.push(`${where()}: ${request.url()} ${why}`);
  });
  return page;
}

/** Shows a page with something on it. */
export async function show(page, name) {
  await page.goto(`${base}/#/${name}`);
  await page.locator(`nav a[aria-current=page][href="#/${name}"]`).waitFor();
  await page.waitForFunction(() => !document.querySelector(".loading"));
  if (name === "try") {
    await page.fill("#user", LEARNER);
    await page.fill("#limit", "3");
    await page.selectOption("#domain", "knowledge");
    await page.check("input[name=target][value=auto-finance]");
    await page.click("form.ask button[type=submit]");
    await page.locator(".slate > li").first().waitFor();
    await page.locator("#consents").waitFor();
  }
  if (name === "people") {
    await page.fill("#user", LEARNER);
    await page.selectOption("#domain", "knowledge");
    await page.click("form.ask button[type=submit]");
    await page.locator("#profile ~ .card").first().waitFor();
    await page.locator(".slate > li").first().waitFor();
  }
  await page.waitForFunction(() => document.querySelector("main h1 ~ *") && !document.querySelector(".loading"));
}

async function check(page, where) {
  // By the debugger, which no policy holds up.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  for (const violation of violations) {
    const nodes = violation.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`);
    problems.push(`${where}: axe ${violation.id}: ${nodes.join(" | ")}`);
  }
  const { breaches, wide, text } = await page.evaluate(() => ({
    breaches: window.breaches, wide: document.documentElement.scrollWidth - innerWidth, text: document.body.innerText,
  }));
  breaches.forEach((breach) => problems.push(`${where}: policy: ${breach}`));
  if (wide > 0) problems.push(`${where}: ${wide} pixels wider than the window`);
  const words = new Set(text.split(/[\s()[\],;:]+/));
  KEYS.filter((key) => words.has(key)).forEach((key) => problems.push(`${where}: the key ${key} is shown`));
  if (/undefined|NaN|\[object/.test(text)) problems.push(`${where}: shows ${/.{0,40}(undefined|NaN|\[object).{0,40}/.exec(text)[0]}`);
}

const ended = await prepare(base);
const browser = await chromium.launch({
  executablePath, headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  let looked = 0;
  for (const [width, height] of WIDTHS) for (const locale of LANGUAGES) for (const colorScheme of ["light", "dark"]) {
    let where = "";
    const page = await open(browser, { viewport: { width, height }, locale, colorScheme }, () => where);
    for (const name of PAGES) {
      where = `${name} ${locale} ${width} ${colorScheme}`;
      await show(page, name);
      if ((await page.getAttribute("html", "lang")) !== locale) problems.push(`${where}: another language`);
      await check(page, where);
      looked += 1;
      const pictured = (width === 1280 && locale === "en" && colorScheme === "light")
        || (width === 390 && locale === "zh-CN" && colorScheme === "dark");
      if (screenshots && pictured) {
        const tall = await page.evaluate(() => document.documentElement.scrollHeight);
        const clip = { x: 0, y: 0, width, height: Math.min(tall, width > 400 ? 1800 : 2400) };
        await page.screenshot({ path: `${screenshots}/${name}-${width}.png`, fullPage: true, clip });
      }
    }
    await page.context().close();
  }
  console.log(`${looked} views of ${PAGES.length} pages; the refused run ended ${ended}`);
  let where = "keyboard";
  const options = { viewport: { width: 1280, height: 900 }, locale: "en", colorScheme: "light" };
  const page = await open(browser, options, () => where);
  problems.push(...await keyboard(page, PAGES, (name) => show(page, name)));
  where = "deeds";
  problems.push(...await deeds(page, { base, show: (name) => show(page, name), status: () => status(base) }));
} catch (error) {
  problems.push(error.stack);
} finally {
  await browser.close();
}
if (problems.length) {
  console.error(problems.join("\n"));
  process.exit(1);
}
