"""What the pages say of the chart is so: the table of values is values.yaml, and every example renders."""

import re
import subprocess
import unittest

import yaml

import pod
from chart import CHART, ROOT, WEIR, cases, config_text, of_kind, render
from test_refusals import REFUSED

# Whoever follows the guide gets these.
GUIDE = ROOT / "docs/guides/kubernetes.md"

# Too long for a cell.
ELSEWHERE = "see `values.yaml`"


def described(values):
    """Every key that has a line: two levels deep, as what is below belongs together."""
    for key, value in values.items():
        if not isinstance(value, dict) or not value:
            yield key, value
            continue
        for inner, below in value.items():
            yield f"{key}.{inner}", below


def examples(page):
    """The YAML that a page shows."""
    return [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)]


class Page(unittest.TestCase):
    """What is written by hand and read by people."""

    def test_the_table_has_every_key_and_its_default(self):
        page = (CHART / "README.md").read_text()
        rows = dict(re.findall(r"^\| `([\w.<>-]+)` \|(.*?)\|", page, re.M))
        # Not in values.yaml, as there is no sink by default.
        self.assertEqual(rows.pop("workers.sink-<name>").strip(), "")
        values = dict(described(yaml.safe_load((CHART / "values.yaml").read_text())))
        self.assertEqual(sorted(rows), sorted(values))
        for key, cell in rows.items():
            if cell.strip() != ELSEWHERE:
                self.assertEqual(yaml.safe_load(cell.strip(" `")), values[key], key)

    def test_the_values_of_the_guide_render_to_configurations_that_weir_takes(self):
        (values, administrator) = examples(GUIDE)
        done = subprocess.run([WEIR, "check", "--offline", "--config", "/dev/stdin"], input=yaml.safe_dump(administrator),
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        objects = render(values)
        self.assertEqual(sorted(of_kind(objects, "StatefulSet")), ["weir-detect", "weir-enrich", "weir-ingest", "weir-sink-splunk"])
        for name in of_kind(objects, "ConfigMap"):
            done = pod.check(config_text(objects, name))
            self.assertEqual(done.returncode, 0, (name, done.stderr))
        made = set(re.findall(r"create secret generic ([\w-]+)", GUIDE.read_text()))
        self.assertEqual(made, set(values["secrets"].values()))

    def test_every_example_of_the_readme_renders(self):
        found = examples(CHART / "README.md")
        self.assertTrue(found)
        for values in found:
            render(cases()["default"], values)

    def test_the_page_counts_its_refusals(self):
        count = re.search(r"refuses (\d+) wrong values", (CHART / "README.md").read_text())
        self.assertEqual(int(count.group(1)), len(REFUSED))


if __name__ == "__main__":
    unittest.main()
