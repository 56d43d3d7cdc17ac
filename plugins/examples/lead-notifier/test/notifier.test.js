import assert from "node:assert/strict";
import { test } from "node:test";

import { handle } from "../src/notifier.js";

const delivery = { idempotencyKey: "key" };

function event(detailType, detail = { leadId: "1234567890", type: "ACS" }) {
  return { detailType, time: "2020-05-13T14:19:39Z", detail: JSON.stringify(detail) };
}

// A host in memory, whose webhook answers with `status`.
function host(status = 204, headers = {}) {
  const leads = new Map();
  const made = { config: { webhook: "https://crm.example/hooks/trial" }, leads, emitted: [], sent: [] };
  made.read = (lead) => leads.get(lead);
  made.write = (lead, history) => leads.set(lead, history);
  made.emit = (detailType, detail) => made.emitted.push([detailType, detail]);
  made.log = () => {};
  made.fetch = async (url, options) => {
    made.sent.push([url, options]);
    return new Response(null, { status, headers });
  };
  return made;
}

test("a lead whose trial ends is told of with its history", async () => {
  const crm = host();
  for (const what of ["TrialRequested", "TrialAssigned", "TrialExpired"]) await handle(crm, event(what), delivery);
  const history = { requested: 1, assigned: 1, expired: 1, latest: "2020-05-13T14:19:39Z" };
  assert.deepEqual(crm.emitted, [["LeadWorthCalling", { leadId: "1234567890", type: "ACS", history }]]);
  const [[url, options]] = crm.sent;
  assert.equal(url, "https://crm.example/hooks/trial");
  assert.equal(options.headers["idempotency-key"], "key");
});

test("what the webhook answers decides whether to try again", async () => {
  for (const [status, headers, tag] of [
    [503, {}, "retry"],
    [429, {}, "retry"],
    [429, { "retry-after": "7" }, "retry-after"],
    [404, {}, "permanent"],
  ]) {
    const crm = host(status, headers);
    await handle(crm, event("TrialAssigned"), delivery);
    await assert.rejects(handle(crm, event("TrialExpired"), delivery), (failure) => failure.tag === tag);
  }
});

test("what is not about a lead is refused for good", async () => {
  const wrong = [event("TrialExpired", {}), event("StackWarm"), { ...event("TrialExpired"), detail: "no" }];
  for (const one of wrong) {
    await assert.rejects(handle(host(), one, delivery), (failure) => failure.tag === "permanent");
  }
});
