import assert from "node:assert/strict";
import { test } from "node:test";

import { handle } from "../src/lead.js";

const event = (detail) => ({ detailType: "TrialRequested", detail: JSON.stringify(detail) });

function host() {
  const leads = new Map();
  const emitted = [];
  return {
    emitted,
    read: (lead) => leads.get(lead),
    write: (lead, times) => leads.set(lead, times),
    emit: (detailType, detail) => emitted.push([detailType, detail]),
    log: () => {},
  };
}

test("a lead who comes back is greeted", () => {
  const some = host();
  handle(some, event({ leadId: "1" }));
  assert.deepEqual(some.emitted, []);
  handle(some, event({ leadId: "1" }));
  assert.deepEqual(some.emitted, [["LeadReturned", { leadId: "1", times: 2 }]]);
});

test("what names no lead is refused for good", () => {
  assert.throws(() => handle(host(), event({})), (failure) => failure.tag === "permanent");
});
