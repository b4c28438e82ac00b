"""What .ci/subscribers asks of Python.

  strangers                     registers schemas that are not Weir's
  aborted                       writes a finding that nobody may see: its transaction is aborted
  more FINDINGS                 waits until there are findings that are not in this file; 120 s
  examples PAGE FOLDER          takes the named examples out of a page; fails when there are none
  same FINDINGS OUTPUT          whether an example's output has exactly the findings of `weir findings --format json`
"""

import json
import os
import pathlib
import re
import sys
import time
import urllib.request

# 32 hex digits that no finding of the run has.
TAKEN_BACK = "0" * 31 + "1"


def strangers():
    for number in range(1, 8):
        schema = {"type": "record", "name": f"Stranger{number}", "fields": [{"name": "id", "type": "string"}]}
        request = urllib.request.Request(
            f"{os.environ['REGISTRY']}/subjects/stranger-{number}-value/versions",
            json.dumps({"schema": json.dumps(schema)}).encode(),
            {"content-type": "application/vnd.schemaregistry.v1+json"},
        )
        urllib.request.urlopen(request).read()
    print("7 schemas of strangers registered first")


def aborted():
    from confluent_kafka import Consumer, Producer

    topic = "weir.finding.policy.v1"
    consumer = Consumer({
        "bootstrap.servers": os.environ["KAFKA"],
        "group.id": "subscribers.look",
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe([topic])
    message = consumer.poll(30)
    consumer.close()
    if message is None or message.error():
        sys.exit(f"no finding on {topic}")
    value = message.value()[:6] + TAKEN_BACK.encode() + message.value()[38:]
    producer = Producer({"bootstrap.servers": os.environ["KAFKA"], "transactional.id": "subscribers"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value, message.key())
    producer.flush(30)
    producer.abort_transaction(30)
    print("1 finding written and taken back")


def more(findings):
    from confluent_kafka import Consumer

    known = {json.loads(line)["id"] for line in pathlib.Path(findings).read_text().splitlines()}
    consumer = Consumer({
        "bootstrap.servers": os.environ["KAFKA"],
        "group.id": "subscribers.more",
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    })
    consumer.subscribe(["^weir\\.finding\\..*"])
    begun = time.monotonic()
    while time.monotonic() - begun < 120:
        message = consumer.poll(1)
        # The id is the first field: 32 characters after a byte for their length.
        if message is not None and not message.error() and message.value()[6:38].decode() not in known:
            consumer.close()
            print("findings go on")
            return
    sys.exit("no new finding within 120 s")


def examples(page, folder):
    text = pathlib.Path(page).read_text()
    blocks = re.findall(r"^```(\w+) (\S+)\n(.*?)^```$", text, re.M | re.S)
    pathlib.Path(folder).mkdir()
    for _, name, code in blocks:
        (pathlib.Path(folder) / name).write_text(code)
    # A page without examples proves nothing.
    if len(blocks) < 5:
        sys.exit(f"{page}: {len(blocks)} named examples, and 5 are expected")


def same(findings, output):
    wanted = {}
    for line in pathlib.Path(findings).read_text().splitlines():
        finding = json.loads(line)
        wanted[finding["id"]] = (finding["severity"], finding["title"])
    text = pathlib.Path(output).read_text()
    name = pathlib.Path(output).stem
    if name.endswith(".sh"):
        # These show ids; the last 32 characters of a line.
        found = {line[-32:] for line in text.splitlines()}
        right = found == set(wanted)
    else:
        found = {}
        for line in text.splitlines():
            identity, severity, title = line.split("\t")
            found[identity] = (severity, title)
        right = found == wanted
    print(f"{name:28} {len(found):4} findings of {len(wanted)}: {'the same' if right else 'NOT the same'}")
    if not wanted or not right:
        print("only here:", sorted(set(found) - set(wanted))[:5], "only there:", sorted(set(wanted) - set(found))[:5])
        sys.exit(1)


if __name__ == "__main__":
    {"strangers": strangers, "aborted": aborted, "more": more, "examples": examples, "same": same}[sys.argv[1]](
        *sys.argv[2:]
    )
