"""What the plugin decides: the rows of a day, in parts that a store takes. Needs no host, but what is given to it."""

import csv
import io
import json
from datetime import date, datetime, time, timedelta, timezone

SUMMARY = "keeps what happened to trials as CSV, a file for each day"
BUCKET = "trial-export"
SOURCE = "trial-export"

COLUMNS = ["time", "event", "trialId", "leadId", "type", "status", "stackId", "url", "reason"]

# When a part is full, in bytes: a quarter of what a value may have, because each row writes its part anew.
PART = 64 * 1024


class Never(Exception):
    """The event can never be handled."""


class Later(Exception):
    """The event can be handled after a time."""

    def __init__(self, reason, millis):
        super().__init__(reason)
        self.millis = millis


def handle(host, source, detail_type, when, detail):
    """Adds an event of a trial to its day, or tells that the day before is complete.

    A day is asked for by an event `ExportRequested` with `{"day": "2020-05-13"}`, or by the event of a schedule.
    """
    detail = parsed(detail)
    if detail_type == "ExportRequested":
        ready(host, day_of(detail.get("day")))
    elif detail_type == "Scheduled Event":
        ready(host, day_of(when[:10]) - timedelta(days=1))
    else:
        add(host, day_of(when[:10]), detail_type, when, detail)


def add(host, day, detail_type, when, detail):
    """Adds a row."""
    if not isinstance(detail.get("trialId"), str):
        raise Never("the detail has no text `trialId`; route events of trials here")
    progress = json.loads(host.read(str(day)) or '{"parts": 1, "rows": 0}')
    key = part_key(day, progress["parts"])
    part = host.read(key) or row(COLUMNS)
    if len(part.encode()) >= PART:
        progress["parts"] += 1
        key, part = part_key(day, progress["parts"]), row(COLUMNS)
    values = [when, detail_type] + [detail.get(column, "") for column in COLUMNS[2:]]
    host.write(key, part + row(values))
    progress["rows"] += 1
    host.write(str(day), json.dumps(progress))


def ready(host, day):
    """Tells that a day is complete, when it is over."""
    over = datetime.combine(day + timedelta(days=1), time(), timezone.utc)
    left = over - host.now()
    if left > timedelta():
        raise Later(f"{day} is not over", int(left / timedelta(milliseconds=1)) + 1)
    progress = json.loads(host.read(str(day)) or '{"parts": 0, "rows": 0}')
    keys = [part_key(day, number + 1) for number in range(progress["parts"])]
    host.emit("ExportReady", {"day": str(day), "rows": progress["rows"], "bucket": BUCKET, "keys": keys})
    host.log("a day is complete", day=day, rows=progress["rows"])


def part_key(day, number):
    return f"{day}/{number:04}.csv"


def row(values):
    """A line of CSV, quoted where it has to be."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def day_of(text):
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise Never(f"{text!r} is not a day; write it like 2020-05-13") from None


def parsed(detail):
    try:
        detail = json.loads(detail)
    except ValueError as error:
        raise Never(f"the detail is not JSON: {error}") from None
    if not isinstance(detail, dict):
        raise Never("the detail is not a JSON object")
    return detail
