"""What the plugin decides, without a host: `python3 -m unittest discover tests -t .`"""

import json
import unittest

import lead


class Host:
    """A host in memory."""

    def __init__(self):
        self.leads, self.emitted = {}, []

    def read(self, key):
        return self.leads.get(key, 0)

    def write(self, key, times):
        self.leads[key] = times

    def emit(self, detail_type, detail):
        self.emitted.append((detail_type, detail))

    def log(self, message, lead):
        pass


class Lead(unittest.TestCase):
    def test_a_lead_who_comes_back_is_greeted(self):
        host = Host()
        for _ in range(2):
            lead.handle(host, "TrialRequested", json.dumps({"leadId": "1"}))
        self.assertEqual(host.emitted, [("LeadReturned", {"leadId": "1", "times": 2})])

    def test_what_names_no_lead_is_refused_for_good(self):
        with self.assertRaises(lead.Never):
            lead.handle(Host(), "TrialRequested", "{}")


if __name__ == "__main__":
    unittest.main()
