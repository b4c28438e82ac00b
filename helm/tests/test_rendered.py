"""The tests of cli/ start their workers from what the chart renders: the files that they read are held to it here."""

import unittest

from chart import ROOT, cases, config_text, of_kind, render, worker_of

FILES = ROOT / "cli/tests/data/rendered"


class Rendered(unittest.TestCase):
    """A file for each worker."""

    def test_the_files_are_what_is_rendered(self):
        objects = render(cases()["crew"])
        rendered = {worker_of(one): config_text(objects, name) for name, one in of_kind(objects, "ConfigMap").items()}
        found = {path.stem: path.read_text() for path in FILES.glob("*.yaml")}
        self.assertEqual(found, rendered, f"put what is rendered into {FILES.relative_to(ROOT)}")
