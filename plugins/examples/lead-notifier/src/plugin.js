// What talks to the host. It stays thin: the decisions are in notifier.js, which the tests run without a host.

import { get as configuration } from "trialbridge:plugin/config@0.1.0";
import { emit } from "trialbridge:plugin/events@0.1.0";
import * as kv from "trialbridge:plugin/kv@0.1.0";
import { log } from "trialbridge:plugin/log@0.1.0";

import { BUCKET, SOURCE, handle, permanent, retry } from "./notifier.js";

const host = {
  // Asked for at each event: what stands at the top of a module runs when the component is built, without a host.
  get config() {
    return JSON.parse(configuration());
  },
  read(lead) {
    const stored = asked(() => kv.get(BUCKET, lead));
    return stored && JSON.parse(new TextDecoder().decode(stored));
  },
  write(lead, history) {
    asked(() => kv.set(BUCKET, lead, new TextEncoder().encode(JSON.stringify(history))));
  },
  emit(detailType, detail) {
    asked(() => emit({ source: SOURCE, detailType, detail: JSON.stringify(detail), resources: [] }));
  },
  log(level, message, fields) {
    log(level, message, Object.entries(fields).map(([name, value]) => [name, String(value)]));
  },
  fetch: (url, options) => fetch(url, options),
};

export const handler = {
  describe() {
    return {
      summary: "tells sales of leads whose trial has ended, with their history",
      version: "0.1.0",
      needs: [
        { tag: "kv", val: [BUCKET, "read-write"] },
        { tag: "emit", val: SOURCE },
      ],
    };
  },

  async handle(event, delivery) {
    await handle(host, event, delivery);
  },
};

// Asks the host. What it refuses for good is permanent; a store that cannot answer now is asked again.
function asked(question) {
  try {
    return question();
  } catch (error) {
    const { tag, val } = error.payload ?? { val: String(error) };
    throw tag === "unavailable" ? retry(val) : permanent(`${tag}: ${val}`);
  }
}
