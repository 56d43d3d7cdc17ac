"""What talks to the host. Decisions belong into lead.py, where tests reach them without a host.

What stands at the top of a module runs once, when the component is built: ask the host only inside of functions.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import handler
from wit_world.imports import events, kv, log
from wit_world.imports import trialbridge_plugin_types as types

import lead


class Host:
    """The store, the events and the log, as lead.py wants them."""

    def read(self, key):
        stored = asked(kv.get, "{{name}}", key)
        return 0 if stored is None else json.loads(stored)

    def write(self, key, times):
        asked(kv.set, "{{name}}", key, json.dumps(times).encode())

    def emit(self, detail_type, detail):
        asked(events.emit, events.NewEvent("{{name}}", detail_type, json.dumps(detail), []))

    def log(self, message, lead):
        log.log(log.Level.INFO, message, [("lead", lead)])


class Handler(exports.Handler):
    """The plugin."""

    def describe(self):
        """Says what the plugin is and needs. What is not granted in rules.toml keeps it from being loaded."""
        needs = [types.Need_Kv(("{{name}}", types.Access.READ_WRITE)), types.Need_Emit("{{name}}")]
        return types.Description("greets leads who come back", "0.1.0", needs)

    def handle(self, event, delivery):
        """Handles one event. What it writes and emits is committed when it returns, all or nothing."""
        try:
            lead.handle(Host(), event.detail_type, event.detail)
        except lead.Never as never:
            raise Err(handler.Failure_Permanent(str(never)))


def asked(question, *arguments):
    """Asks the host. What it refuses for good is permanent; a store that cannot answer now is asked again."""
    try:
        return question(*arguments)
    except Err as error:
        match error.value:
            case types.Error_Unavailable(said):
                raise Err(handler.Failure_Retry(said))
            case refused:
                raise Err(handler.Failure_Permanent(f"{type(refused).__name__}: {refused.value}"))
