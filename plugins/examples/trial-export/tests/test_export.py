"""What the plugin decides, without a host: `python3 -m unittest discover tests -t .`"""

import json
import unittest
from datetime import datetime, timezone

import export

DETAIL = {"trialId": "t-1", "leadId": 'Tyrell, "Inc"', "type": "ACS", "status": "ASSIGNED"}


class Host:
    """A host in memory."""

    def __init__(self, now="2020-05-14T09:00:00"):
        self.stored, self.emitted = {}, []
        self.time = datetime.fromisoformat(now).replace(tzinfo=timezone.utc)

    def read(self, key):
        return self.stored.get(key)

    def write(self, key, text):
        self.stored[key] = text

    def emit(self, detail_type, detail):
        self.emitted.append((detail_type, detail))

    def log(self, message, **fields):
        pass

    def now(self):
        return self.time


def handle(host, detail_type, detail, source="OnlineTrial", when="2020-05-13T14:19:39Z"):
    export.handle(host, source, detail_type, when, json.dumps(detail))


class Export(unittest.TestCase):
    def test_rows_are_quoted_and_have_a_head(self):
        host = Host()
        handle(host, "TrialAssigned", DETAIL)
        expected = (
            "time,event,trialId,leadId,type,status,stackId,url,reason\n"
            '2020-05-13T14:19:39Z,TrialAssigned,t-1,"Tyrell, ""Inc""",ACS,ASSIGNED,,,\n'
        )
        self.assertEqual(host.stored["2020-05-13/0001.csv"], expected)

    def test_a_full_part_is_followed_by_another(self):
        host = Host()
        for _ in range(1500):
            handle(host, "TrialAssigned", DETAIL)
        handle(host, "Scheduled Event", {}, "aws.events", "2020-05-14T09:00:00Z")
        keys = ["2020-05-13/0001.csv", "2020-05-13/0002.csv"]
        ready = {"day": "2020-05-13", "rows": 1500, "bucket": "trial-export", "keys": keys}
        self.assertEqual(host.emitted, [("ExportReady", ready)])
        self.assertTrue(all(len(host.stored[key]) < 2 * export.PART for key in keys))

    def test_a_day_that_is_not_over_is_told_of_later(self):
        with self.assertRaises(export.Later) as later:
            handle(Host("2020-05-13T23:59:00"), "ExportRequested", {"day": "2020-05-13"}, "ops")
        self.assertEqual(later.exception.millis, 60_001)

    def test_what_is_malformed_is_refused_for_good(self):
        for detail_type, detail in [("TrialAssigned", {}), ("ExportRequested", {"day": "soon"}), ("TrialExpired", [])]:
            with self.assertRaises(export.Never):
                handle(Host(), detail_type, detail)


if __name__ == "__main__":
    unittest.main()
