// What talks to the host. Decisions belong into lead.js, where tests reach them without a host.
// What stands at the top of a module runs once, when the component is built: ask the host only inside of functions.

import { emit } from "trialbridge:plugin/events@0.1.0";
import * as kv from "trialbridge:plugin/kv@0.1.0";
import { log } from "trialbridge:plugin/log@0.1.0";

import { handle, permanent, retry } from "./lead.js";

const host = {
  read(lead) {
    const stored = asked(() => kv.get("{{name}}", lead));
    return stored && JSON.parse(new TextDecoder().decode(stored));
  },
  write(lead, times) {
    asked(() => kv.set("{{name}}", lead, new TextEncoder().encode(JSON.stringify(times))));
  },
  emit(detailType, detail) {
    asked(() => emit({ source: "{{name}}", detailType, detail: JSON.stringify(detail), resources: [] }));
  },
  log(message, lead) {
    log("info", message, [["lead", lead]]);
  },
};

export const handler = {
  // Says what the plugin is and needs. What is not granted in rules.toml keeps it from being loaded.
  describe() {
    return {
      summary: "greets leads who come back",
      version: "0.1.0",
      needs: [
        { tag: "kv", val: ["{{name}}", "read-write"] },
        { tag: "emit", val: "{{name}}" },
      ],
    };
  },

  // Handles one event. What it writes and emits is committed when it returns, all or nothing.
  handle(event, delivery) {
    handle(host, event);
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
