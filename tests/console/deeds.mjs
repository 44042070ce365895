// What the pages do: go back to a model and forth, keep a token in memory alone, look at a
// slate without a trace, and say what is wrong.

export async function deeds(page, { base, show, status }) {
  const problems = [];
  const expect = (holds, what) => { if (!holds) problems.push(what); };

  await show("home");
  const home = await page.innerText("main");
  for (const word of ["refused since yesterday", "the domain does not know the event type", "Slates served"]) {
    expect(home.includes(word), `home does not say ${word}: ${home}`);
  }
  await show("ingest");
  const ingest = await page.innerText("main");
  expect(ingest.includes("invalid type"), `ingest does not say why: ${ingest}`);
  expect(!/20261126|secret-user/.test(ingest), "ingest shows a user's id");

  await show("groups");
  const groups = await page.innerText("main");
  expect(/Segments of /i.test(groups) || groups.includes("not told apart"), `groups says nothing: ${groups}`);
  expect(/Topics of /i.test(groups) || groups.includes("No topics"), `groups tells no topics: ${groups}`);

  // Looking leaves no trace.
  const served = (of) => of.activity.reduce((sum, day) => sum + day.slates.served, 0);
  const before = served(await status());
  await show("try");
  expect((await page.locator(".slate .bars li").count()) > 5, "no contributions");
  expect((await page.innerText("section[aria-labelledby=leftout]")).includes("Not offered now"), "no rule is named");
  await page.waitForFunction(() => /Instead:|nothing would change|another order/.test(document.querySelector("section[aria-labelledby=consents]").innerText));
  await page.waitForTimeout(1500);
  expect(served(await status()) === before, "a dry run was counted");

  await place(page, { show, expect });
  await campaign(page, { show });
  await trial(page, { show });
  await rollBack(page, { show, status, expect });
  await keepToken(page, { base, show, expect, problems });
  return problems;
}

/** A place is put, told of, tried, and taken away. */
async function place(page, { show, expect }) {
  await show("places");
  const put = async (rules) => {
    await page.selectOption("form.ask #domain", "knowledge");
    await page.fill("#name", "console-test");
    await page.fill("#rules", rules);
    await page.click("form.ask button[type=submit]");
  };
  await put("{");
  await page.locator("[role=alert]").waitFor();
  await put('{"filters": {"knowledge": "prize < 3"}}');
  await page.locator("[role=alert]", { hasText: "line 1, column 1" }).waitFor();
  await put('{"max_limit": 2, "filters": {"knowledge": "price >= 0 or not has(price)"}}');
  await page.locator("td, th", { hasText: "console-test" }).first().waitFor();
  await show("try");
  await page.fill("#placement", "console-test");
  await page.uncheck("input[name=target][value=auto-finance]");
  await page.click("form.ask button[type=submit]");
  await page.locator("[role=alert]", { hasText: "limit must be 1 to 2" }).waitFor();
  await show("places");
  await page.getByRole("button", { name: /: console-test$/ }).click();
  expect((await page.inputValue("#rules")).includes("max_limit"), "a place is not there to be changed");
  await page.locator("form.ask .buttons button[type=button]").click();
  await page.locator("[role=status] .good").waitFor();
  await page.waitForFunction(() => !document.querySelector("table")?.innerText.includes("console-test"));
}

/** A campaign is put beside the place that it shows, and told of. */
async function campaign(page, { show }) {
  const put = async (field, name, rules) => {
    await show(field);
    await page.selectOption("form.ask #domain", "knowledge");
    await page.fill("#name", name);
    await page.fill("#rules", JSON.stringify(rules));
    await page.click("form.ask button[type=submit]");
  };
  const rules = { trigger: { event_type: "view" }, placement: "console-shown" };
  await put("campaigns", "console-campaign", rules);
  await page.locator("[role=alert]", { hasText: "placement is none of placements" }).waitFor();
  await put("places", "console-shown", { limit: 2 });
  await page.locator("td, th", { hasText: "console-shown" }).first().waitFor();
  await put("campaigns", "console-campaign", rules);
  await page.locator("td, th", { hasText: "console-campaign" }).first().waitFor();
}

/** A rule is tried on what was served, and said to be wrong where it is. */
async function trial(page, { show }) {
  await show("catalogue");
  await page.selectOption("form.ask #domain", "knowledge");
  await page.selectOption("form.ask #target", "auto-finance");
  await page.fill("#filter", "prize < 3");
  await page.click("form.ask button[type=submit]");
  await page.locator("[role=alert]", { hasText: "line 1, column 1" }).waitFor();
  await page.fill("#filter", "price < 0");
  await page.click("form.ask button[type=submit]");
  await page.locator("[role=status] p").first().waitFor();
}

async function rollBack(page, { show, status, expect }) {
  await show("models");
  const first = (await status()).champion.id;
  const press = async () => {
    const button = page.getByRole("button", { name: /^Roll back to it/ });
    await button.focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    expect(await page.locator("dialog[open]").count() === 0, "Escape does not close the question");
    expect(await button.evaluate((one) => one === document.activeElement), "the focus does not come back");
    await button.click();
    await page.locator("dialog[open] button.primary").click();
    await page.waitForFunction(() => !document.querySelector("dialog[open]"));
    const serves = (await status()).champion.id.slice(0, 8);
    await page.locator(".model:has(.badge.champion)", { hasText: serves }).waitFor();
  };
  await press();
  const second = (await status()).champion.id;
  expect(second !== first, "rolling back changes nothing");
  await press();
  expect((await status()).champion.id === first, "going forth again changes nothing");
}

async function keepToken(page, { base, show, expect, problems }) {
  await show("home");
  const sent = [];
  page.on("request", (request) => { if (request.url().includes("/v1/")) sent.push(request.headers().authorization); });
  await page.click(".token summary");
  await page.fill("#token", "a.b.c");
  const asked = page.waitForRequest((request) => request.headers().authorization === "Bearer a.b.c", { timeout: 5000 });
  await page.press("#token", "Enter");
  await asked.catch(() => problems.push("the token is not sent"));
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  expect(!stored.includes("a.b.c"), "the token is stored");
  sent.length = 0;
  await page.reload();
  await page.locator(".tiles").waitFor();
  expect(sent.length > 0 && sent.every((header) => header === undefined), "the token outlives the page");
  for (const path of ["/nothing", "/console/nothing.js"]) {
    const answer = await fetch(base + path);
    const type = answer.headers.get("content-type");
    expect(answer.status === 404 && type === "application/problem+json", `${path}: ${answer.status} ${type}`);
  }
}
