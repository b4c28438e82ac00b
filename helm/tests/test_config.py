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

# Each section of a configuration but those of sources and sinks, with an unknown key, and where the chart's schema has its
# keys: a definition, and the way down in it. The keys that the chart writes itself are not values.
SECTIONS = [
    ("log: {kafka: {bootstrap: 'k:9092', %}}", "kafka", (), {"secrets_folder"}),
    ("log: {kafka: {bootstrap: 'k:9092', oauth: {%}}}", "kafkaOauth", (), set()),
    ("log: {kafka: {bootstrap: 'k:9092', registry: {url: 'https://r', %}}}", "registry", (), set()),
    ("sources: [{name: a, kind: files, paths: [x], watch: {%}}]", "sourceFiles", ("watch",), set()),
    ("sources: [{name: a, kind: management-api, entra: {%}}]", "entra", (), set()),
    ("sources: [{name: a, kind: management-api, http: {%}}]", "http", (), set()),
    ("enrich: {%}", "enrich", (), set()),
    ("enrich: {tenants: [{id: a, %}]}", "enrich", ("tenants", "items"), set()),
    ("enrich: {users: [{id: a, %}]}", "enrich", ("users", "items"), set()),
    ("enrich: {connectors: {%}}", "enrich", ("connectors",), set()),
    ("enrich: {mmdb: {%}}", "enrich", ("mmdb",), set()),
    ("detect: {%}", "detect", (), set()),
    ("limits: {%}", "limits", (), set()),
    ("sinks: [{name: a, kind: sentinel, streams: {%}}]", "sinkSentinel", ("streams",), set()),
]

# The lists whose entries are of kinds, and the keys of an entry that the chart writes itself.
LISTS = {"source": set(), "sink": {"name"}}

# The sections of the whole: those of a worker, those of all, and those that are for simulated tenants only.
OF_WORKERS = {"sources", "enrich", "detect", "sinks"}
OF_ALL = {"log", "limits", "admin"}
SIMULATED = {"clock"}


def refused(text, pattern):
    """What the code says of a wrong configuration."""
    done = subprocess.run([WEIR, "check", "--offline", "--config", "/dev/stdin"], input=text, capture_output=True,
                          text=True, check=False)
    found = re.search(pattern, done.stderr)
    assert done.returncode == 78 and found, (text, done.stderr)
    return found


def known(text):
    """The keys that the code says it knows where it finds the unknown one."""
    return set(refused(text, rf'unknown key "{UNKNOWN}"; known here: (.*)').group(1).split(", "))


def kinds(name):
    """The kinds of sources or sinks that the code says there are."""
    return refused(f"{name}s: [{{name: a, kind: {UNKNOWN}}}]", '"kind" must be one of (.*)').group(1).split(", ")


def sections():
    """Every section: those above, and one for each kind of source and sink, whose definition is named after it."""
    of_kinds = [(f"{name}s: [{{name: a, kind: {kind}, %}}]", name + re.sub("[-_]", " ", kind).title().replace(" ", ""), (), own)
                for name, own in LISTS.items() for kind in kinds(name)]
    return SECTIONS + of_kinds


def whole(schema):
    """A schema without what leaves a choice around it: what holds where it is neither null nor true, and what it refers to."""
    schema = schema.get("else", schema)
    schema = next((one for one in schema.get("oneOf", []) if one.get("type") == "object"), schema)
    return whole(SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]]) if "$ref" in schema else schema


def schema_of(definition, way=()):
    """The schema of a section."""
    schema = SCHEMA["definitions"].get(definition) or SCHEMA["properties"].get(definition)
    assert schema, f"the schema has no {definition}"
    for step in way:
        schema = whole(schema["items"] if step == "items" else schema["properties"][step])
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
        for text, definition, way, own in sections():
            with self.subTest(text):
                schema = schema_of(definition, way)
                self.assertIs(schema["additionalProperties"], False)
                self.assertEqual(set(schema["properties"]), known(text.replace("%", f"{UNKNOWN}: 1")) - own)

    def test_the_schema_has_the_bounds_of_the_code(self):
        count = 0
        for text, definition, way, _ in sections():
            for key, schema in schema_of(definition, way)["properties"].items():
                if "integer" not in whole(schema).get("type", ""):
                    continue
                with self.subTest(text, key=key):
                    count += 1
                    # More than any number of bytes, seconds or records.
                    bounds = refused(text.replace("%", f"{key}: {10**18}"), rf'"{key}" must be a number from (\d+) to (\d+)')
                    self.assertEqual([whole(schema).get(bound) for bound in ["minimum", "maximum"]], list(map(int, bounds.groups())))
        self.assertGreater(count, 10)

    def test_every_kind_of_source_and_sink_can_be_chosen(self):
        for name in LISTS:
            with self.subTest(name):
                schema = schema_of(name)
                self.assertEqual(schema["properties"]["kind"]["enum"], kinds(name))
                chosen = [one["if"]["properties"]["kind"]["const"] for one in schema["allOf"]]
                self.assertEqual(sorted(chosen), sorted(kinds(name)))

    def test_the_schema_has_the_settings_of_librdkafka_that_the_code_lets_through(self):
        listed = re.search(r"pub const ALLOWED: &\[&str\] = &\[(.*?)\];", source("runtime/src/kafka/settings.rs"), re.S)
        settings = schema_of("kafkaSettings")
        self.assertIs(settings["additionalProperties"], False)
        self.assertEqual(sorted(settings["properties"]), sorted(re.findall(r'"(.+?)"', listed.group(1))))

    def test_every_section_is_rendered_or_left_out_for_a_reason(self):
        self.assertEqual(known(f"{UNKNOWN}: 1"), OF_WORKERS | OF_ALL | SIMULATED)

    def test_every_object_of_the_schema_is_closed_or_says_that_it_is_open(self):
        opened = {"global", "freeObject", "freeList", "source", "sink", "extraVolumes", "extraVolumeMounts"}
        self.assertEqual(sorted(set(open_objects(SCHEMA)) - opened), [])


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
