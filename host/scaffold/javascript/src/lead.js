// What the plugin decides: it counts how often each lead asks for a trial, and greets those who come back.

// The ways for a handler to give up; wit/handler.wit has a third, `retry-after`.
export const retry = (reason) => ({ tag: "retry", val: reason });
export const permanent = (reason) => ({ tag: "permanent", val: reason });

export function handle(host, event) {
  const { leadId: lead } = JSON.parse(event.detail);
  if (typeof lead !== "string") throw permanent(`the detail of ${event.detailType} has no text \`leadId\``);
  const times = (host.read(lead) ?? 0) + 1;
  host.write(lead, times);
  if (times > 1) {
    host.emit("LeadReturned", { leadId: lead, times });
    host.log("a lead has come back", lead);
  }
}
