"""What the plugin decides: it counts how often each lead asks for a trial, and greets those who come back."""

import json


class Never(Exception):
    """The event can never be handled."""


def handle(host, detail_type, detail):
    """Counts the lead that an event names."""
    lead = json.loads(detail).get("leadId")
    if not isinstance(lead, str):
        raise Never(f"the detail of {detail_type} has no text `leadId`")
    times = host.read(lead) + 1
    host.write(lead, times)
    if times > 1:
        host.emit("LeadReturned", {"leadId": lead, "times": times})
        host.log("a lead has come back", lead)
