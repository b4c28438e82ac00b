"""The pods of the chart as processes of this machine, over a real broker: what is rendered starts, becomes ready, carries
records from file to receiver, and stops in time. WEIR_KAFKA says where the broker is (.ci/kafka); without it this is skipped.
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

from chart import ROOT, WEIR, config_text, containers, of_kind, render

BROKER = os.environ.get("WEIR_KAFKA")
# Longer than anything here takes on a machine that does much else.
HANGS_AFTER = 180
# So long nothing new comes when all has come: a batch takes milliseconds.
QUIET = 5


def values(folder):
    """Two replicas of each worker, and two sinks that are one process each, since a file has one writer."""
    def sink(name):
        return {"replicas": 1, "config": {"kind": "jsonl", "path": f"{folder}/{name}.jsonl"}}
    source = {"name": "exports", "kind": "files", "paths": [f"{folder}/exports"], "watch": {"every_s": 1}}
    kafka = {"bootstrap": BROKER, "prefix": f"chart-{uuid.uuid4().hex[:8]}.", "partitions": 4, "replication": 1, "session_timeout": "6s"}
    workers = {"ingest": {"config": {"sources": [source]}}, "sink-archive": sink("archive"), "sink-copy": sink("copy")}
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


def delivered(path):
    """The ids and revisions in a sink's file."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    found = (json.loads(line)["finding_info"] for line in lines if line.endswith("\n"))
    return {(one["uid"], json.dumps(one, sort_keys=True)) for one in found}


@unittest.skipUnless(BROKER, "SKIPPED: WEIR_KAFKA names no broker; no pod was started as a process")
class Processes(unittest.TestCase):
    """Over a real broker."""

    def wait(self, what, done):
        """Asks again and again until it is done."""
        end = time.monotonic() + HANGS_AFTER
        while not done():
            ended = [(pod.name, pod.log.read_text()[-2000:]) for pod in self.pods if pod.process.poll() is not None]
            self.assertEqual(ended, [], f"ended while waiting: {what}")
            self.assertLess(time.monotonic(), end, f"waited too long: {what}")
            time.sleep(0.2)

    def setUp(self):
        self.pods = []
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.kill)

    def kill(self):
        """No process outlives its test."""
        for pod in self.pods:
            pod.process.kill()
            pod.process.wait()

    def test_what_is_rendered_starts_becomes_ready_delivers_and_stops_in_time(self):
        objects = render(values(self.folder))
        (self.folder / "exports").mkdir()
        for path in (ROOT / "corpus").glob("*.jsonl"):
            shutil.copy(path, self.folder / "exports")
        configs = {}
        for name in of_kind(objects, "ConfigMap"):
            configs[name] = self.folder / f"{name}.yaml"
            # Pods have addresses of their own; these share one.
            configs[name].write_text(config_text(objects, name).replace("0.0.0.0:9464", "127.0.0.1:0"))
        subprocess.run([WEIR, "topics", "apply", "--config", configs["weir-ingest"]], check=True, capture_output=True)
        for name, stateful_set in of_kind(objects, "StatefulSet").items():
            self.pods += [Pod(stateful_set, number, configs[name], self.folder) for number in range(stateful_set["spec"]["replicas"])]
        self.assertEqual(len(self.pods), 8)
        for probe in ["startup", "readiness", "liveness"]:
            self.wait(probe, lambda probe=probe: all(pod.probe(probe) == 200 for pod in self.pods))

        files = [self.folder / "archive.jsonl", self.folder / "copy.jsonl"]
        seen = (set(), 0.0)

        def quiet():
            nonlocal seen
            archive, copy = map(delivered, files)
            if archive != copy or not archive or archive != seen[0]:
                seen = (archive, time.monotonic())
                return False
            return time.monotonic() - seen[1] > QUIET
        self.wait("both sinks have delivered the same findings", quiet)

        stopping = time.monotonic()
        for pod in self.pods:
            pod.process.terminate()
        for pod in self.pods:
            left = stopping + pod.grace - time.monotonic()
            self.assertEqual(pod.process.wait(timeout=left), 0, pod.log.read_text()[-2000:])
        print(f"{len(self.pods)} processes, {len(seen[0])} revisions of findings at each sink, stopped in {time.monotonic() - stopping:.1f} s")


if __name__ == "__main__":
    unittest.main()
