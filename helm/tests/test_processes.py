"""The pods of the chart as processes of this machine, over a real broker: what is rendered starts, becomes ready, finds what
one process finds over a file, and stops in time. WEIR_KAFKA says where the broker is (.ci/kafka); without it this is skipped.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid

import yaml

from chart import ROOT, WEIR, config_text, containers, of_kind, render

BROKER = os.environ.get("WEIR_KAFKA")
# Longer than anything here takes on a machine that does much else.
HANGS_AFTER = 180
# So long nothing new comes when all has come: a batch takes milliseconds.
QUIET = 5
# What OCSF calls a finding that was taken back.
CLOSE = 3


def source(folder):
    """The folder of records, read once."""
    return {"name": "exports", "kind": "files", "paths": [f"{folder}/exports"]}


def values(folder, prefix):
    """Two replicas of each worker, and two sinks that are one process each, since a file has one writer."""
    def sink(name):
        return {"replicas": 1, "config": {"kind": "jsonl", "path": f"{folder}/{name}.jsonl"}}
    # Watched, as the chart wants it; time comes as far as where it is read once.
    watched = source(folder) | {"watch": {"every_s": 1}, "late_files_hours": 0}
    kafka = {"bootstrap": BROKER, "prefix": prefix, "partitions": 4, "replication": 1, "session_timeout": "6s"}
    workers = {"ingest": {"config": {"sources": [watched]}}, "sink-archive": sink("archive"), "sink-copy": sink("copy")}
    return {"kafka": kafka, "defaults": {"replicas": 2}, "workers": workers}


class Pod:
    """One replica of a worker."""

    def __init__(self, stateful_set, number, config, folder):
        self.name = f"{stateful_set['metadata']['name']}-{number}"
        self.grace = stateful_set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        (self.container,) = containers(stateful_set)
        words = [word.replace("$(POD_NAME)", self.name).replace("/etc/weir/weir.yaml", str(config)) for word in self.container["args"]]
        self.log = folder / f"{self.name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([WEIR, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self, message, field):
        """A field of the log line that says this; nothing where there is none yet."""
        for line in self.log.read_text().splitlines():
            if line.startswith("{") and message in line:
                return json.loads(line)[field]
        return None

    def probe(self, probe):
        """What the kubelet would be told: a status."""
        address = self.said("the admin port is open", "listen")
        if address is None:
            return None
        try:
            with urllib.request.urlopen(f"http://{address}{self.container[f'{probe}Probe']['httpGet']['path']}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


def standing(path):
    """What stands in a sink's file once each id is folded to its highest revision and the closed are left out: ids,
    severities, and the ids of the evidence; and how many lines there are.
    """
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    newest = {}
    for finding in (json.loads(line) for line in lines if line.endswith("\n")):
        uid, revision = finding["finding_info"]["uid"], finding["metadata"]["sequence"]
        if uid not in newest or newest[uid]["metadata"]["sequence"] < revision:
            newest[uid] = finding
    evidence = {uid: tuple(one["uid"] for one in finding["finding_info"].get("related_events", []))
                for uid, finding in newest.items()}
    found = {(uid, one["severity_id"], evidence[uid]) for uid, one in newest.items() if one["activity_id"] != CLOSE}
    return found, len(lines)


def reference(folder):
    """What one process finds in the same records, over a file."""
    sink = {"name": "reference", "kind": "jsonl", "path": f"{folder}/reference.jsonl"}
    config = {"log": {"embedded": {"path": f"{folder}/reference.db"}}, "sources": [source(folder)], "sinks": [sink],
              "admin": {"listen": "off"}}
    path = folder / "reference.yaml"
    path.write_text(yaml.safe_dump(config))
    subprocess.run([WEIR, "run", "--config", path], check=True, capture_output=True, timeout=HANGS_AFTER)
    return standing(folder / "reference.jsonl")[0]


def topics(prefix, delete=False):
    """The topics on the broker whose names begin so, which are deleted where that is wanted."""
    # Only where there is a broker is its client installed.
    from confluent_kafka.admin import AdminClient  # pylint: disable=import-outside-toplevel
    admin = AdminClient({"bootstrap.servers": BROKER, "log_level": 3})
    found = sorted(name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix))
    if delete and found:
        for done in admin.delete_topics(found, operation_timeout=30).values():
            done.result()
    return found


@unittest.skipUnless(BROKER, "SKIPPED: WEIR_KAFKA names no broker; no pod was started as a process")
class Processes(unittest.TestCase):
    """Over a real broker."""

    def wait(self, what, done, wanting=lambda: ""):
        """Asks again and again until it is done; where it takes too long, says what is wanting."""
        end = time.monotonic() + HANGS_AFTER
        while not done():
            ended = [(pod.name, pod.log.read_text()[-2000:]) for pod in self.pods if pod.process.poll() is not None]
            self.assertEqual(ended, [], f"ended while waiting: {what}")
            if time.monotonic() > end:
                self.fail(f"waited too long: {what} {wanting()}")
            time.sleep(0.2)

    def setUp(self):
        self.pods = []
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.prefix = f"chart-{uuid.uuid4().hex[:8]}."
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.nothing_is_left)
        self.addCleanup(self.kill)

    def kill(self):
        """No process outlives its test."""
        for pod in self.pods:
            pod.process.kill()
            pod.process.wait()

    def nothing_is_left(self):
        """The broker is as it was."""
        topics(self.prefix, delete=True)
        self.assertEqual(topics(self.prefix), [])

    def start(self):
        """Every replica of every worker, as a process."""
        objects = render(values(self.folder, self.prefix))
        configs = {}
        for name in of_kind(objects, "ConfigMap"):
            configs[name] = self.folder / f"{name}.yaml"
            # Pods have addresses of their own; these share one.
            configs[name].write_text(config_text(objects, name).replace("0.0.0.0:9464", "127.0.0.1:0"))
        subprocess.run([WEIR, "topics", "apply", "--config", configs["weir-ingest"]], check=True, capture_output=True)
        self.assertNotEqual(topics(self.prefix), [])
        for name, stateful_set in of_kind(objects, "StatefulSet").items():
            self.pods += [Pod(stateful_set, number, configs[name], self.folder) for number in range(stateful_set["spec"]["replicas"])]
        self.assertEqual(len(self.pods), 8)

    def test_what_is_rendered_starts_becomes_ready_finds_what_one_process_finds_and_stops_in_time(self):
        (self.folder / "exports").mkdir()
        for path in (ROOT / "corpus").glob("*.jsonl"):
            shutil.copy(path, self.folder / "exports")
        expected = reference(self.folder)
        self.assertGreater(len(expected), 20)
        self.start()
        for probe in ["startup", "readiness", "liveness"]:
            self.wait(probe, lambda probe=probe: all(pod.probe(probe) == 200 for pod in self.pods))

        files = [self.folder / "archive.jsonl", self.folder / "copy.jsonl"]
        seen = ([], 0.0)

        def settled():
            nonlocal seen
            found = [standing(path) for path in files]
            if found != seen[0]:
                seen = (found, time.monotonic())
            return all(one == expected for one, _ in found) and time.monotonic() - seen[1] > QUIET

        def differing():
            return [f"{path.name}: {len(standing(path)[0] ^ expected)} of {len(expected)} differ" for path in files]
        self.wait("both sinks hold what one process finds", settled, differing)

        stopping = time.monotonic()
        for pod in self.pods:
            pod.process.terminate()
        for pod in self.pods:
            left = stopping + pod.grace - time.monotonic()
            self.assertEqual(pod.process.wait(timeout=left), 0, pod.log.read_text()[-2000:])
        took = time.monotonic() - stopping
        for path in files:
            self.assertEqual(standing(path)[0], expected, path.name)
        lines = [count for _, count in seen[0]]
        print(f"{len(self.pods)} processes, {len(expected)} findings in {lines} lines at each sink, stopped in {took:.1f} s")


if __name__ == "__main__":
    unittest.main()
