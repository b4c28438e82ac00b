"""What .ci/independent-receivers does with a collector that others wrote.

argv: weir, the collector, an empty folder. `weir run` goes over the corpus, twenty times with ids of their own, with two
sinks, `jsonl` and `splunk_hec`, 32 records a batch. Every revision of every finding that the first wrote must lie in the
collector's file, all fields alike, under the token and with the indexed fields that a search folds by:

1. with the collector there from the start: each exactly once. `weir check` says that it is well;
2. with the collector away: the jsonl sink ends its work all the same, the run waits, and once the collector is there the
   file comes to hold each exactly once;
3. with the collector killed (-9) in the middle and started again: each at least once, and at most one batch is there twice.

It waits by looking, never longer than so many seconds.
"""

import collections
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

WEIR, COLLECTOR, FOLDER = (pathlib.Path(argument) for argument in sys.argv[1:4])
TOKEN = "3f1c9d52-8a7e-4d0b-9c61-52e8b7a4f0d3"
NAMES = (
    "det-eng-samples splunk-security-content pnp-analytics-insights pnp-cli-microsoft365 plaso microsoft-docs".split()
)
COPIES = 20
BATCH = 32
PATIENCE = 120
# The collector dies once it holds so many: a few batches, of which there are many.
KILLED_AFTER = 100


def fail(why):
    sys.exit(f".ci/independent-receivers: {why}")


def until(what, look):
    """Waits until `look` is true."""
    end = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > end:
            fail(f"{what}: not within {PATIENCE} s")
        time.sleep(0.01)


def exports():
    lines = []
    for copy in range(COPIES):
        for name in NAMES:
            for line in pathlib.Path(f"corpus/{name}.jsonl").read_text().splitlines():
                record = json.loads(line)
                record["Id"] += f"-{copy}"
                record["OrganizationId"] += f"-{copy % 3}"
                lines.append(json.dumps(record))
    (FOLDER / "exports.jsonl").write_text("".join(line + "\n" for line in lines))


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=FOLDER, capture_output=True)


def certificates():
    """A CA, and a certificate for 127.0.0.1 that it signed."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    openssl("req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=collector")
    (FOLDER / "leaf.ext").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "leaf.ext"]
    openssl("x509", "-req", "-in", "leaf.csr", "-out", "leaf.pem", *signed)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Collector:
    """One that listens on a port of its own and appends to a file of its own; several lives, one after the other."""

    def __init__(self, name):
        self.port, self.file, self.log = free_port(), FOLDER / name / "collected.jsonl", FOLDER / name / "collector.log"
        self.config, self.process = FOLDER / name / "collector.yaml", None
        # With rotation it writes without a buffer: what it has acknowledged survives a kill.
        self.config.write_text(f"""
receivers:
  splunk_hec:
    endpoint: 127.0.0.1:{self.port}
    access_token_passthrough: true
    tls: {{cert_file: {FOLDER}/leaf.pem, key_file: {FOLDER}/leaf.key}}
exporters:
  file: {{path: {self.file}, rotation: {{max_megabytes: 1000}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs: {{receivers: [splunk_hec], exporters: [file]}}
""")

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([COLLECTOR, "--config", self.config], stdout=log, stderr=log)
        until("the collector listens", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            fail(f"the collector ended: {self.log.read_text()[-2000:]}")
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, how=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)

    def records(self):
        """(resource attributes, record) of every log record in the file."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        for line in lines:
            for resource in json.loads(line)["resourceLogs"]:
                attributes = pairs(resource["resource"].get("attributes", []))
                for scope in resource["scopeLogs"]:
                    yield from ((attributes, record) for record in scope["logRecords"])

    def count(self):
        """How many records are in the file; a line that is being written does not count."""
        lines = self.file.read_bytes().split(b"\n")[:-1] if self.file.exists() else []
        return sum(line.count(b'"timeUnixNano"') for line in lines)


def pairs(attributes):
    return {attribute["key"]: plain(attribute["value"]) for attribute in attributes}


def plain(value):
    """OTLP's JSON for a value, as the JSON that was sent."""
    match value:
        case {"stringValue": text}:
            return text
        case {"boolValue": flag}:
            return flag
        case {"intValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {"arrayValue": array}:
            return [plain(one) for one in array.get("values", [])]
        case {"kvlistValue": object}:
            return pairs(object.get("values", []))
        case _ if not value:
            return None
    fail(f"a value of another kind: {list(value)}")


class Run:
    """One `weir run` with both sinks, in a folder of its own."""

    def __init__(self, name, port):
        self.folder, self.process = FOLDER / name, None
        self.config = self.folder / "weir.yaml"
        (self.folder / "token").write_text(TOKEN)
        self.config.write_text(f"""
log: {{embedded: {{path: {self.folder}/weir.db}}}}
sources: [{{name: exports, kind: files, paths: [{FOLDER}/exports.jsonl]}}]
sinks:
  - {{name: archive, kind: jsonl, path: {self.folder}/findings.jsonl}}
  - name: splunk
    kind: splunk_hec
    url: https://127.0.0.1:{port}
    token: {{file: {self.folder}/token}}
    index: security
    http: {{ca_file: {FOLDER}/ca.pem}}
limits: {{records_max: {BATCH}}}
admin: {{listen: off}}
""")

    def check(self):
        done = subprocess.run([WEIR, "check", "-c", self.config], capture_output=True, text=True)
        if done.returncode != 0:
            fail(f"weir check: exit {done.returncode}: {done.stdout}{done.stderr}")

    def start(self):
        with open(self.folder / "run.log", "w") as log:
            self.process = subprocess.Popen([WEIR, "run", "-c", self.config], stdout=log, stderr=log)

    def is_running(self):
        if (code := self.process.poll()) not in (None, 0):
            fail(f"weir run: exit {code}: {self.log()}")
        return code is None

    def log(self):
        return (self.folder / "run.log").read_text()[-3000:]

    def ended(self):
        until("the run ends", lambda: not self.is_running())
        if "panicked" in (self.folder / "run.log").read_text():
            fail(f"it panicked: {self.log()}")

    def findings(self):
        """Every revision in the jsonl file."""
        path = self.folder / "findings.jsonl"
        # The last piece is empty, or a line that is being written.
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


def key(finding):
    return finding["finding_info"]["uid"], finding["metadata"]["sequence"]


def folded(findings):
    """Id, severity and evidence of the highest revision of each, without the closed."""
    newest = {}
    for finding in findings:
        uid, sequence = key(finding)
        if uid not in newest or newest[uid]["metadata"]["sequence"] < sequence:
            newest[uid] = finding
    evidence = lambda finding: tuple(event["uid"] for event in finding["finding_info"].get("related_events", []))
    return {(uid, one["severity_id"], evidence(one)) for uid, one in newest.items() if one["activity_id"] != 3}


def compare(run, collector, repeats_max):
    """Holds the two files against each other; how many records came twice."""
    wanted = {key(finding): finding for finding in run.findings()}
    times = collections.Counter()
    for attributes, record in collector.records():
        event, fields = plain(record["body"]), pairs(record.get("attributes", []))
        times[key(event)] += 1
        if event != wanted.get(key(event)):
            fail(f"{key(event)} is not what the jsonl sink wrote")
        if (fields["finding_id"], fields["revision"]) != key(event):
            fail(f"the indexed fields of {key(event)} say something else: {fields}")
        if abs(int(record["timeUnixNano"]) // 1_000_000 - event["time"]) > 1:
            fail(f"the time of {key(event)} is {record['timeUnixNano']}, not {event['time']}")
        said = [attributes.get(f"com.splunk.{name}") for name in ("hec.access_token", "index", "source", "sourcetype")]
        if said != [TOKEN, "security", "weir", "weir:finding"]:
            fail(f"{key(event)} came with {said}")
    if missing := wanted.keys() - times.keys():
        fail(f"{len(missing)} of {len(wanted)} revisions never came, such as {min(missing)}")
    repeats = times.total() - len(times)
    if repeats > repeats_max:
        fail(f"{repeats} came twice, more than {repeats_max}")
    return repeats


def scene(name, act):
    """Runs `act` with a run and a collector, and ends both."""
    (FOLDER / name).mkdir()
    collector = Collector(name)
    run = Run(name, collector.port)
    try:
        return act(run, collector)
    finally:
        run.end()
        collector.end()


def there(run, collector):
    collector.start()
    run.check()
    run.start()
    run.ended()
    compare(run, collector, 0)
    findings = folded(run.findings())
    if len(findings) < KILLED_AFTER:
        fail(f"only {len(findings)} findings: nothing to compare")
    print(f"there from the start: {len(findings)} findings in {len(run.findings())} revisions, each once, all fields alike")
    return findings


def away(run, collector, findings):
    run.start()
    until("the jsonl sink has every finding", lambda: run.is_running() and folded(run.findings()) == findings)
    held = len(run.findings())
    if collector.file.exists() or not run.is_running():
        fail("the run did not wait for the collector")
    collector.start()
    run.ended()
    compare(run, collector, 0)
    check(run, findings)
    print(f"away at first: the jsonl sink had {held} revisions while Splunk's waited; then each came once")


def killed(run, collector, findings):
    collector.start()
    run.start()
    until("the collector has some", lambda: collector.count() >= KILLED_AFTER)
    collector.end(signal.SIGKILL)
    before = collector.count()
    until("the jsonl sink has every finding", lambda: run.is_running() and folded(run.findings()) == findings)
    if not run.is_running() or before >= len(run.findings()):
        fail("the collector was killed too late to tell anything")
    collector.start()
    run.ended()
    repeats = compare(run, collector, BATCH)
    check(run, findings)
    print(f"killed when it held {before} of {len(run.findings())}: all came, {repeats} of them twice")


def check(run, findings):
    if folded(run.findings()) != findings:
        fail("other findings than in the first run")


def main():
    exports()
    certificates()
    findings = scene("there", there)
    scene("away", lambda run, collector: away(run, collector, findings))
    scene("killed", lambda run, collector: killed(run, collector, findings))


main()
