// What other systems' SDKs for Node.js send, unchanged, and what they make of the answers.
//
// Arguments: the folder with the packages, the URL, a write key and a bearer token. Prints a line
// for each thing that was tried; ends with an error when one was not as it should be.

import { createRequire } from "node:module";

const [folder, url, writeKey, token] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { Analytics } = require("@segment/analytics-node");
const RudderStack = require("@rudderstack/rudder-sdk-node");
const { CloudEvent, HTTP, Mode, emitterFor, httpTransport } = require("cloudevents");

let failures = 0;
// RudderStack's SDK calls back with an error, and then throws it where nobody can catch it.
process.on("unhandledRejection", () => {});

// Makes a call, which must fail, or must not.
async function attempt(name, what, call, fails = false) {
  let problem;
  try {
    await call();
  } catch (error) {
    problem = error;
  }
  const passed = Boolean(problem) === fails;
  failures += passed ? 0 : 1;
  console.log([passed ? "pass" : "FAIL", name, what, passed ? "" : String(problem?.stack ?? "no error")].join("\t"));
}

// A call whose last argument is called back, as a promise that ends within half a minute.
function called(call) {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("it is not called back")), 30_000).unref();
    call((error) => (error ? reject(error) : resolve()));
  });
}

// Four events are to be stored, and one once.
async function analytics(name, client) {
  const [userId, item] = [`${name}-user`, (number) => `${name}-${number}`];
  const call = (kind, message) => called((done) => client[kind]({ userId, ...message }, done));
  const track = (event, properties, more = {}) => call("track", { event, properties, ...more });
  await attempt(name, "identify", () => call("identify", { traits: { plan: "pro", email: "a@example.com" } }));
  await attempt(name, "track a well-known event", () => track("Product Viewed", { product_id: item(1), price: 19.9 }));
  await attempt(name, "track a mapped event", () => track("Trip Booked", { trip: { id: item(2), price: "120.50" } }));
  const products = [{ product_id: item(3), price: 10, quantity: 2 }, { product_id: item(4) }];
  await attempt(name, "track an order", () => track("Order Completed", { products }));
  await attempt(name, "track what nobody mapped", () => track("Signed Up", { from: "home" }));
  const context = { consent: { categoryPreferences: { Personalisation: false, Analytics: true } } };
  await attempt(name, "track without consent", () => track("Product Viewed", { product_id: item("refused") }, { context }));
  await attempt(name, "page", () => call("page", { name: "Home" }));
  await attempt(name, "group", () => call("group", { groupId: "g" }));
  await attempt(name, "alias", () => call("alias", { previousId: "before" }));
  for (const days of [1, 2]) {
    const timestamp = new Date(Date.now() - days * 86_400_000);
    await attempt(name, "track with one message id and two times", () =>
      track("Product Viewed", { product_id: item(5) }, { messageId: item("once"), timestamp }));
  }
  await attempt(name, "track without an item", () => track("Product Viewed", {}), true);
}

const silent = { httpRequestTimeout: 30_000 };
const segment = (key) => {
  const client = new Analytics({ writeKey: key, host: url, flushAt: 1, maxRetries: 0, ...silent });
  client.on("error", () => {});
  return client;
};
const rudderStack = (key, gzip) =>
  new RudderStack(key, { dataPlaneUrl: url, flushAt: 1, gzip, retryCount: 0, logLevel: "error" });

async function cloudevents() {
  const name = "cloudevents-node";
  const event = (number, more = {}) =>
    new CloudEvent({
      type: "com.example.view", source: "/node", id: String(number), subject: `${name}-${number}`,
      data: { user_id: `${name}-user` }, ...more,
    });
  const headers = { authorization: `Bearer ${token}` };
  const target = `${url}/v1/events?domain=travel`;
  const emit = async (mode, one) => {
    const answer = await emitterFor(httpTransport(target), { binding: HTTP, mode })(one, { headers });
    const read = JSON.parse(answer.body);
    if (read.accepted + read.duplicates !== 1) throw new Error(answer.body);
    return read;
  };
  await attempt(name, "binary (chunked)", () => emit(Mode.BINARY, event(1)));
  await attempt(name, "structured", () => emit(Mode.STRUCTURED, event(2)));
  await attempt(name, "structured again", () => emit(Mode.STRUCTURED, event(2)));
  await attempt(name, "batch", async () => {
    const answer = await fetch(target, {
      method: "POST", body: JSON.stringify([event(3), event(4)]),
      headers: { ...headers, "content-type": "application/cloudevents-batch+json" },
    });
    const read = await answer.json();
    if (read.accepted !== 2) throw new Error(JSON.stringify(read));
  });
  await attempt(name, "a mapped event", () =>
    emit(Mode.BINARY, event(5, { type: "com.example.trip.seen" })));
  await attempt(name, "an event that nobody mapped", () => emit(Mode.BINARY, event(6, { type: "x" })), true);
}

await analytics("segment-node", segment(writeKey));
await attempt("segment-node", "track with a wrong key", () => called((done) =>
  segment("wrong").track({ userId: "x", event: "Product Viewed", properties: { sku: "x" } }, done)), true);
await analytics("rudderstack-node", rudderStack(writeKey, false));
await analytics("rudderstack-node-gzip", rudderStack(writeKey, true));
await attempt("rudderstack-node", "track with a wrong key", () => called((done) =>
  rudderStack("wrong", false).track({ userId: "x", event: "Product Viewed", properties: { sku: "x" } }, done)), true);
await cloudevents();
process.exit(failures > 0 ? 1 : 0);
