// Brings a demonstration into a state in which every page has something to show.

async function call(base, method, path, body) {
  const response = await fetch(base + path, {
    method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A person of the demonstration who knows only courses, and lets the other platform know. */
export const LEARNER = "p0005";

export async function status(base) {
  return call(base, "GET", "/v1/status");
}

async function refuse(base) {
  const at = new Date().toISOString();
  const event = { event_id: "x", user_id: "secret-user", type: "view", item_id: "i", occurred_at: at };
  await call(base, "POST", "/v1/events", { domain: "knowledge", events: [
    { ...event, user_id: 20261126 }, { ...event, type: "buy" }, { ...event, occurred_at: "yesterday" },
    { ...event, value: -1 }, { ...event, occurred_at: "2999-01-01T00:00:00Z" },
  ] });
  await call(base, "POST", "/v1/domains/auto-finance/items", { items: [{ item_id: "x" }] });
}

/** A third platform that few people use, so that its directions cannot be judged. */
async function addSmallPlatform(base) {
  await call(base, "PUT", "/v1/domains/travel", {
    name: "远行 Travel", currency: "CNY", event_types: { book: { weight: 3 } },
  });
  const items = ["lake", "sea", "hills", "town"];
  await call(base, "POST", "/v1/domains/travel/items", { items: items.map((id) => ({ item_id: id, title: id })) });
  const domains = ["knowledge", "auto-finance", "travel"];
  const consents = domains.flatMap((from) => domains.flatMap((to) => ["recommendation", "training"].map((purpose) =>
    ({ from, to, purpose, granted: true }))));
  const events = [];
  for (let number = 0; number < 12; number += 1) {
    const user = `p${String(number).padStart(4, "0")}`;
    await call(base, "PUT", `/v1/users/${user}/links?domain=knowledge`, { domain: "travel", user_id: user });
    await call(base, "PUT", `/v1/users/${user}/consents?domain=knowledge`, { consents });
    const at = new Date(Date.now() - number * 3_600_000).toISOString();
    for (const item_id of [items[number % 4], items[(number + 1) % 4]]) {
      events.push({ event_id: `${user}-${item_id}`, user_id: user, type: "book", item_id, occurred_at: at });
    }
  }
  await call(base, "POST", "/v1/events", { domain: "travel", events });
}

/** Orders a run and waits until it has ended. */
async function train(base, options) {
  const { id } = await call(base, "POST", "/v1/training-runs", options);
  for (let tries = 0; tries < 600; tries += 1) {
    const run = await call(base, "GET", `/v1/training-runs/${id}`);
    if (!["queued", "running"].includes(run.status)) return run;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("the training run does not end");
}

export async function prepare(base) {
  await refuse(base);
  await addSmallPlatform(base);
  // What the learner can and will spend is told as well.
  await call(base, "PUT", `/v1/users/${LEARNER}/consents?domain=knowledge`, {
    consents: [{ from: "knowledge", to: "knowledge", purpose: "financial_profiling", granted: true }],
  });
  // An item that is not offered, so that a rule leaves something out.
  await call(base, "PUT", "/v1/domains/auto-finance/items/first-job-0-0", { title: "首购青年贷款", status: "hidden" });
  for (const domain of ["knowledge", "auto-finance"]) {
    await call(base, "POST", "/v1/recommendations", { user_id: LEARNER, domain, limit: 3 });
  }
  // A model as good as the first, and one that the gate refuses.
  await train(base, { factors: 16, seed: 7 });
  const bad = await train(base, { factors: 1, iterations: 1, unobserved_weight: 1000, regularisation: 1000 });
  return bad.status;
}
