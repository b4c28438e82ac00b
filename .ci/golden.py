#!/usr/bin/env python3
"""Reads every golden file of the message schemas with fastavro, a reader that shares nothing with Weir's own.

Needs: pip install fastavro. Prints how many files it read; exits 1 when one of them does not read as it must.
Ids and values stand here a second time, written by hand: a mistake would have to be made twice.
"""

import datetime
import io
import json
import pathlib
import sys

import fastavro

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent / "schemas"

IDS = {
    "event": 1,
    "enriched": 2,
    "signal": 3,
    "finding": 4,
    "receipt": 5,
    "gap": 6,
    "ledger-entry": 7,
    "watermark": 8,
    "detect-state": 9,
    "seen": 10,
}

TENANT = "11111111-2222-3333-4444-555555555555"
TIME = datetime.datetime(2021, 3, 4, 5, 6, 7, 8, tzinfo=datetime.timezone.utc)
NO_ID = "0" * 32

# File, path of a value in it, the value.
VALUES = [
    ("event.v1.bin", "id", "0123456789abcdef0000000000000001"),
    ("event.v1.bin", "time", TIME),
    ("event.v1.bin", "record_type", 30),
    ("event.v1.bin", "raw", b'{"Id":"a1b2","\xff":"\xe2\x82\xac"}'),
    ("event.v1.bin", "activity.actor.id", "zo\u00eb@contoso.example"),
    ("event.v1.bin", "activity.environment.is_default", True),
    ("event.v1.bin", "activity.connectors.1", "dropbox"),
    ("event.v1.bin", "activity.address.ip", "2001:db8::1"),
    ("event.v1.bin", "activity.run.end", TIME + datetime.timedelta(microseconds=1)),
    ("event.v1.minimal.bin", "id", NO_ID),
    ("event.v1.minimal.bin", "record_type", -1),
    ("event.v1.minimal.bin", "activity.run", None),
    ("enriched.v1.bin", "event.tenant", TENANT),
    ("enriched.v1.bin", "user.approved_sharer", True),
    ("enriched.v1.bin", "recipients.relations.0.relation", "external"),
    ("enriched.v1.bin", "connectors.has_business", False),
    ("enriched.v1.bin", "geo.asn", 4294967295),
    ("enriched.v1.bin", "geo.provenance.as_of", TIME),
    ("enriched.v1.bin", "working_time.local_minute", 366),
    ("enriched.v1.minimal.bin", "working_time.within_hours", None),
    ("signal.v1.bin", "group_value", "a\x1fb"),
    ("signal.v1.bin", "origin.offset", 5000000000),
    ("signal.v1.bin", "rules.0.facts.Operation", "New-InboxRule"),
    ("signal.v1.bin", "rules.1.rule", "rule-2"),
    ("signal.v1.minimal.bin", "rules", []),
    ("finding.v1.bin", "change", "update"),
    ("finding.v1.bin", "severity", "critical"),
    ("finding.v1.bin", "entity.id", "192.0.2.1"),
    ("finding.v1.bin", "last_time", TIME + datetime.timedelta(minutes=10)),
    ("finding.v1.bin", "event_ids.1", "0123456789abcdef0000000000000003"),
    ("finding.v1.bin", "facts", {"count": "5", "window": "10m"}),
    ("finding.v1.minimal.bin", "change", "create"),
    ("receipt.v1.bin", "revision", 3),
    ("receipt.v1.bin", "outcome", "dead_lettered"),
    ("gap.v1.bin", "reason", "expired"),
    ("gap.v1.bin", "noticed_at", TIME + datetime.timedelta(minutes=2)),
    ("gap.v1.bin", "until", TIME + datetime.timedelta(minutes=1)),
    ("ledger-entry.v1.bin", "unit", "audit/m\u00e4rz.csv"),
    ("ledger-entry.v1.bin", "counts.deduplicated", 3),
    ("ledger-entry.v1.minimal.bin", "greatest_time", None),
    ("watermark.v1.bin", "marks.0.time", 1614834367000008),
    ("watermark.v1.bin", "marks.1.time", -(2**63)),
    ("watermark.v1.bin", "marks.2.time", 2**63 - 1),
    ("watermark.v1.bin", "through", 3),
    ("watermark.v1.minimal.bin", "of", None),
    ("detect-state.v1.bin", "state", b"\x01\x00\xff"),
    ("seen.v1.bin", "ids", bytes(range(32))),
    ("seen.v1.bin", "chunk", 12),
]


def read(path):
    """The message in a golden file, read with the schema that the file's name says."""
    name, version, *_ = path.name.split(".")
    data = path.read_bytes()
    if data[0] != 0:
        raise ValueError("no magic byte")
    found = int.from_bytes(data[1:5], "big")
    if found != IDS[name]:
        raise ValueError(f"schema id {found} instead of {IDS[name]}")
    schema = json.loads((SCHEMAS / "avro" / f"{name}.{version}.avsc").read_text(encoding="utf-8"))
    stream = io.BytesIO(data[5:])
    message = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    if stream.read():
        raise ValueError("bytes after the message")
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), message)
    if written.getvalue() != data[5:]:
        raise ValueError("fastavro writes other bytes")
    return message


def value_at(message, path):
    for part in path.split("."):
        message = message[int(part)] if isinstance(message, list) else message[part]
    return message


def main():
    messages, failures = {}, []
    for path in sorted((SCHEMAS / "golden").glob("*.bin")):
        try:
            messages[path.name] = read(path)
        except Exception as error:  # whatever goes wrong is a failure of this file
            failures.append(f"{path.name}: {type(error).__name__}: {error}")
    for name in IDS:
        for file in (f"{name}.v1.bin", f"{name}.v1.minimal.bin"):
            if file not in messages:
                failures.append(f"{file}: not read")
    for file, path, expected in VALUES:
        if file not in messages:
            continue
        found = value_at(messages[file], path)
        if found != expected or type(found) is not type(expected):
            failures.append(f"{file}: {path} is {found!r} instead of {expected!r}")
    for failure in failures:
        print(f"golden: {failure}", file=sys.stderr)
    print(f"golden: {len(messages)} files read by fastavro")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
