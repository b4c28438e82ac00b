#!/usr/bin/env python3
"""Times a large file: reading and decoding alone, then `weir scan`: records a second, CPU per record, peak memory.

    cargo build --release -p weir -p bench && bench/scan.py [MEGABYTES]

The file is made from the corpus: every copy of a record gets an Id and a second of its own, so that nothing is a repeat.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ["det-eng-samples", "splunk-security-content", "pnp-analytics-insights", "pnp-cli-microsoft365", "plaso", "microsoft-docs"]


def records():
    for name in FILES:
        for line in (ROOT / "corpus" / f"{name}.jsonl").read_text().splitlines():
            yield json.loads(line)


def write(path, megabytes):
    base, written, count, copy = list(records()), 0, 0, 0
    with open(path, "w") as out:
        while written < megabytes * 1_000_000:
            copy += 1
            for record in base:
                record["Id"] = f"{count:08x}-0000-4000-8000-{copy:012x}"
                record["CreationTime"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_600_000_000 + count * 7))
                written += out.write(json.dumps(record, separators=(",", ":")) + "\n")
                count += 1
    return count


def main():
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "large.jsonl")
        count = write(path, megabytes)
        subprocess.run([ROOT / "target/release/bench", "read"] + [path], check=True)
        start = time.monotonic()
        with open(os.path.join(folder, "report.json"), "w+b") as out:
            weir = subprocess.Popen([ROOT / "target/release/weir", "scan", "--format", "json", path], stdout=out)
            _, status, used = os.wait4(weir.pid, 0)
            wall = time.monotonic() - start
            if status != 0:
                sys.exit(f"the scan ended with {os.waitstatus_to_exitcode(status)}")
            out.seek(0)
            report = json.load(out)
        cpu = used.ru_utime + used.ru_stime
        print(f"{megabytes} MB, {count} records, {len(report['findings'])} findings, ledger {report['ledger']}")
        print(f"{count / wall:,.0f} records/s, {cpu / count * 1e6:.1f} CPU µs a record, peak {used.ru_maxrss / 1024:,.0f} MiB")


main()
