"""What talks to the host. It stays thin: the decisions are in export.py, which the tests run without a host."""

import json
from datetime import datetime, timezone

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import handler
from wit_world.imports import events, kv, log
from wit_world.imports import trialbridge_plugin_types as types

import export


class Host:
    """The store, the events and the log, as export.py wants them."""

    def read(self, key):
        stored = asked(kv.get, export.BUCKET, key)
        return None if stored is None else stored.decode()

    def write(self, key, text):
        asked(kv.set, export.BUCKET, key, text.encode())

    def emit(self, detail_type, detail):
        asked(events.emit, events.NewEvent(export.SOURCE, detail_type, json.dumps(detail), []))

    def log(self, message, **fields):
        log.log(log.Level.INFO, message, [(name, str(value)) for name, value in fields.items()])

    def now(self):
        return datetime.now(timezone.utc)


class Handler(exports.Handler):
    """The plugin."""

    def describe(self):
        needs = [
            types.Need_Kv((export.BUCKET, types.Access.READ_WRITE)),
            types.Need_Emit(export.SOURCE),
        ]
        return types.Description(export.SUMMARY, "0.1.0", needs)

    def handle(self, event, delivery):
        try:
            export.handle(Host(), event.source, event.detail_type, event.time, event.detail)
        except export.Later as later:
            raise Err(handler.Failure_RetryAfter((later.millis, str(later))))
        except export.Never as never:
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
