// What the plugin decides: the history of each lead, and whom to tell that a trial has ended. Needs no host, but what is given to it.

export const BUCKET = "leads";
export const SOURCE = "lead-notifier";

// What is counted in a lead's history, by the event that says so.
const COUNTED = {
  TrialRequested: "requested",
  TrialAssigned: "assigned",
  TrialExtended: "extended",
  TrialCancelled: "cancelled",
  TrialExpired: "expired",
};

// The ways for a handler to give up, as wit/handler.wit has them.
export const retry = (reason) => ({ tag: "retry", val: reason });
export const retryAfter = (millis, reason) => ({ tag: "retry-after", val: [BigInt(millis), reason] });
export const permanent = (reason) => ({ tag: "permanent", val: reason });

// Handles one event.
export async function handle(host, event, delivery) {
  const { leadId: lead, type } = detail(event);
  const counted = COUNTED[event.detailType];
  if (!counted) {
    throw permanent(`${event.detailType} is nothing that leads have; route ${Object.keys(COUNTED).join(", ")} here`);
  }
  const history = host.read(lead) ?? {};
  history[counted] = (history[counted] ?? 0) + 1;
  history.latest = event.time;
  host.write(lead, history);
  if (counted !== "expired") return;

  const news = { leadId: lead, type, history };
  host.emit("LeadWorthCalling", news);
  host.log("info", "a lead is worth calling", { lead, trials: history.requested ?? 0 });
  // Who never had a trial is news to nobody outside.
  if (history.assigned && host.config.webhook) await post(host, host.config.webhook, news, delivery.idempotencyKey);
}

// What the event says, if it is about a lead.
function detail(event) {
  let detail;
  try {
    detail = JSON.parse(event.detail);
  } catch (error) {
    throw permanent(`the detail is not JSON: ${error.message}`);
  }
  if (typeof detail.leadId !== "string" || detail.leadId === "") throw permanent("the detail has no text `leadId`");
  return detail;
}

// Tells somebody outside. The key is the same for every attempt, so that whoever gets it twice can tell.
async function post(host, url, news, key) {
  let answer;
  try {
    answer = await host.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify(news),
    });
  } catch (error) {
    throw retry(`${url} cannot be reached: ${error.message ?? error}`);
  }
  if (answer.ok) return;
  const said = `${url} answered ${answer.status}`;
  const seconds = Number(answer.headers.get("retry-after"));
  if (answer.status === 429 && seconds > 0) throw retryAfter(seconds * 1000, said);
  throw answer.status === 429 || answer.status >= 500 ? retry(said) : permanent(said);
}
