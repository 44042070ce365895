// Each page by keyboard alone: Tab reaches everything that can be used, in the order of the
// page, and where one is can be seen.

const USABLE = "a[href], button:not([disabled]), input, select, textarea, summary, [tabindex='0']";

export async function keyboard(page, pages, show) {
  const problems = [];
  for (const name of pages) {
    await show(name);
    problems.push(...(await walk(page)).map((problem) => `${name} by keyboard: ${problem}`));
  }
  problems.push(...await skip(page), ...await turn(page));
  return problems;
}

/** Goes through the page by Tab, from its beginning to its end. */
async function walk(page) {
  const expected = await page.evaluate((usable) => {
    document.activeElement?.blur();
    const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
    const all = [...document.querySelectorAll(usable)].filter(seen);
    all.forEach((element, at) => { element.dataset.at = at; });
    return all.map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
  }, USABLE);
  await page.evaluate(() => { getSelection()?.removeAllRanges(); document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); });
  const reached = [];
  const problems = [];
  for (let press = 0; press < expected.length + 5; press += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      return { at: element.dataset?.at, ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0, name: element.tagName };
    });
    // Beyond the end there is the browser, or the beginning.
    if (at.at === undefined || (reached.length > 0 && Number(at.at) === reached[0])) break;
    if (!at.ring) problems.push(`no ring around ${expected[at.at]}`);
    reached.push(Number(at.at));
  }
  expected.forEach((what, at) => { if (!reached.includes(at)) problems.push(`Tab does not reach ${what}`); });
  if (reached.some((at, index) => index > 0 && at < reached[index - 1])) problems.push(`out of order: ${reached}`);
  return problems;
}

async function skip(page) {
  await page.goto(page.url());
  await page.reload();
  await page.locator("main h1").waitFor();
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.className);
  await page.keyboard.press("Enter");
  const focus = await page.evaluate(() => document.activeElement.id);
  return first === "skip" && focus === "main" ? [] : [`the skip link leads from ${first} to ${focus}`];
}

/** A new page is told by its heading; the language changes in place. */
async function turn(page) {
  const problems = [];
  await page.locator("nav a[href='#/bridges']").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.tagName === "H1" && document.activeElement.textContent === "Bridges").catch(
    () => problems.push("the heading of a new page is not focused"));
  await page.locator(".languages button[lang='zh-CN']").focus();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.documentElement.lang === "zh-CN" && document.title.startsWith("桥接")).catch(
    () => problems.push("the language does not change"));
  await page.reload();
  await page.waitForFunction(() => document.documentElement.lang === "zh-CN").catch(
    () => problems.push("the language is forgotten"));
  await page.locator(".languages button[lang='en']").click();
  return problems;
}
