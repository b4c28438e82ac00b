"""The chart and the code agree: `weir check` takes what is rendered, and the chart's schema knows the code's keys."""

import json
import re
import subprocess
import unittest

import pod
from chart import CHART, WEIR, cases, config_text, of_kind, render, rendered, source

SCHEMA = json.loads((CHART / "values.schema.json").read_text())

# A key that no section has, and that is near to none.
UNKNOWN = "zzzzzzzzzzzz"

# Each section of a configuration with an unknown key, and where the chart's schema has its keys: a definition, and the
# way down in it. The keys that the chart writes itself are not values.
SECTIONS = [
    ("log: {kafka: {bootstrap: 'k:9092', %}}", "kafka", (), {"secrets_folder"}),
    ("log: {kafka: {bootstrap: 'k:9092', oauth: {%}}}", "kafkaOauth", (), set()),
    ("log: {kafka: {bootstrap: 'k:9092', registry: {url: 'https://r', %}}}", "registry", (), set()),
    ("sources: [{name: a, kind: files, paths: [x], %}]", "sourceFiles", (), set()),
    ("sources: [{name: a, kind: management-api, %}]", "sourceManagementApi", (), set()),
    ("sources: [{name: a, kind: management-api, entra: {%}}]", "entra", (), set()),
    ("sources: [{name: a, kind: management-api, http: {%}}]", "http", (), set()),
    ("enrich: {%}", "enrich", (), set()),
    ("enrich: {tenants: [{id: a, %}]}", "enrich", ("tenants", "items"), set()),
    ("enrich: {users: [{id: a, %}]}", "enrich", ("users", "items"), set()),
    ("enrich: {connectors: {%}}", "enrich", ("connectors",), set()),
    ("enrich: {mmdb: {%}}", "enrich", ("mmdb",), set()),
    ("detect: {%}", "detect", (), set()),
    ("sinks: [{name: a, kind: jsonl, %}]", "sinkJsonl", (), {"name"}),
    ("sinks: [{name: a, kind: splunk_hec, %}]", "sinkSplunkHec", (), {"name"}),
    ("sinks: [{name: a, kind: log_analytics, %}]", "sinkLogAnalytics", (), {"name"}),
    ("sinks: [{name: a, kind: sentinel, %}]", "sinkSentinel", (), {"name"}),
    ("sinks: [{name: a, kind: sentinel, streams: {%}}]", "sinkSentinel", ("streams",), set()),
]

# The sections of the whole: those of a worker, those of all, and those that are for simulated tenants only.
OF_WORKERS = {"sources", "enrich", "detect", "sinks"}
OF_ALL = {"log", "limits", "admin"}
SIMULATED = {"clock"}


def known(text):
    """The keys that the code says it knows where it finds the unknown one."""
    done = subprocess.run([WEIR, "check", "--offline", "--config", "/dev/stdin"], input=text, capture_output=True,
                          text=True, check=False)
    found = re.search(rf'unknown key "{UNKNOWN}"; known here: (.*)', done.stderr)
    assert done.returncode == 78 and found, (text, done.stderr)
    return set(found.group(1).split(", "))


def schema_of(definition, way=()):
    """The schema of a section."""
    schema = SCHEMA["definitions"][definition]
    for step in way:
        schema = schema["items"] if step == "items" else schema["properties"][step]
    return schema


class Config(unittest.TestCase):
    """What is rendered, and what can be rendered."""

    def test_every_rendered_configuration_is_one_that_weir_takes(self):
        for case in cases():
            for name in of_kind(rendered(case), "ConfigMap"):
                with self.subTest(case=case, name=name):
                    done = pod.check(config_text(rendered(case), name))
                    self.assertEqual(done.returncode, 0, done.stderr)
                    sources, sinks = int(name.endswith("-ingest")), int("-sink-" in name)
                    self.assertRegex(done.stdout, rf": {sources} sources?, \d+ rules, {sinks} sinks?\n")

    def test_a_value_that_only_weir_can_judge_is_refused_by_weir(self):
        wrong = {"workers": {"enrich": {"config": {"tenants": [{"id": "*", "hours": "early", "zone": "Europe/Oslo"}]}}}}
        done = pod.check(config_text(render(cases()["default"], wrong), "weir-enrich"))
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn('"hours"', done.stderr)

    def test_the_schema_has_the_keys_of_the_code(self):
        for text, definition, way, own in SECTIONS:
            with self.subTest(text):
                schema = schema_of(definition, way)
                self.assertIs(schema["additionalProperties"], False)
                self.assertEqual(set(schema["properties"]), known(text.replace("%", f"{UNKNOWN}: 1")) - own)

    def test_the_schema_has_the_settings_of_librdkafka_that_the_code_lets_through(self):
        listed = re.search(r"pub const ALLOWED: &\[&str\] = &\[(.*?)\];", source("runtime/src/kafka/settings.rs"), re.S)
        settings = schema_of("kafkaSettings")
        self.assertIs(settings["additionalProperties"], False)
        self.assertEqual(sorted(settings["properties"]), sorted(re.findall(r'"(.+?)"', listed.group(1))))

    def test_every_section_is_rendered_or_left_out_for_a_reason(self):
        self.assertEqual(known(f"{UNKNOWN}: 1"), OF_WORKERS | OF_ALL | SIMULATED)
        self.assertEqual(set(schema_of_root("limits")), known(f"limits: {{{UNKNOWN}: 1}}"))

    def test_every_object_of_the_schema_is_closed_or_says_that_it_is_open(self):
        opened = {"global", "freeObject", "freeList", "source", "sink", "extraVolumes", "extraVolumeMounts"}
        self.assertEqual(sorted(set(open_objects(SCHEMA)) - opened), [])


def schema_of_root(name):
    """The keys of a section that the values have at their root."""
    return SCHEMA["properties"][name]["properties"]


def open_objects(schema, name=""):
    """The names of the objects that take any key."""
    if isinstance(schema, list):
        return [found for one in schema for found in open_objects(one, name)]
    if not isinstance(schema, dict):
        return []
    found = [name] if schema.get("type") == "object" and "additionalProperties" not in schema else []
    for key, below in schema.items():
        inner = name if key in {"items", "allOf", "oneOf", "properties", "definitions", "patternProperties"} else key
        found += open_objects(below, inner)
    return found


if __name__ == "__main__":
    unittest.main()
