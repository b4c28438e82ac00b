"""What the clients do, for simulator/tests/independent.rs, which says where and checks what arrived.

argv: origin, tenant, client id, secret, certificate with key (PEM), rule, stream, HEC token, HEC token with
acknowledgements. SSL_CERT_FILE and REQUESTS_CA_BUNDLE name the simulator's CA.
"""

import datetime
import logging
import sys
import urllib.parse

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.monitor.ingestion import LogsIngestionClient
from splunk_handler import SplunkHandler
from splunk_logging.exceptions import HecBatchError
from splunk_logging.forwarders import HecForwarder

ORIGIN, TENANT, CLIENT, SECRET, PEM, RULE, STREAM, TOKEN, ACKED = sys.argv[1:10]
ADDRESS = urllib.parse.urlsplit(ORIGIN)
ENTRA = {"authority": ORIGIN, "disable_instance_discovery": True}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def rows(credential, ids):
    body = [{"TimeGenerated": now(), "Id": id, "Text": f"{id} " * 100, "Undeclared": True} for id in ids]
    with LogsIngestionClient(ORIGIN, credential) as client:
        client.upload(RULE, STREAM, body)


def refused(what, kinds, call):
    try:
        call()
    except kinds as error:
        print(f"{what}: refused as it should be: {type(error).__name__}")
        return error
    raise SystemExit(f"{what}: was taken")


# The first answer is a 429 with Retry-After; the body is more than one request long.
secret = ClientSecretCredential(TENANT, CLIENT, SECRET, **ENTRA)
rows(secret, [f"secret-{number}" for number in range(3000)])
rows(CertificateCredential(TENANT, CLIENT, PEM, **ENTRA), ["certificate-0"])

wrong = ClientSecretCredential(TENANT, CLIENT, "wrong", **ENTRA)
error = refused("a wrong secret", ClientAuthenticationError, lambda: rows(wrong, ["never"]))
assert "AADSTS7000215" in str(error), error

with LogsIngestionClient(ORIGIN, secret) as client:
    error = refused("an unknown stream", HttpResponseError, lambda: client.upload(RULE, "Custom-Other", [{}]))
assert (error.status_code, error.error.code) == (400, "InvalidStream"), error

logger = logging.getLogger("plain")
logger.propagate = False
handler = SplunkHandler(
    ADDRESS.hostname, ADDRESS.port, TOKEN, "main", flush_interval=3600, retry_count=0, source="splunk-handler"
)
logger.addHandler(handler)
for number in range(50):
    logger.warning("plain-%d", number)
handler.shutdown()

# The first answer is "server is busy", and each delivery waits for its acknowledgement.
with HecForwarder(
    ADDRESS.hostname, ADDRESS.port, ACKED, indexer_ack=True, ack_poll_interval=0.05, ack_timeout=10
) as hec:
    hec.forward_events([{"id": f"acked-{number}"} for number in range(20)])
    hec.forward_event({"id": "acked-20"})
    bad = [{"id": "bad-0"}, {"id": "bad-1"}, "", {"id": "bad-3"}]
    error = refused("a blank event", HecBatchError, lambda: hec.forward_events(bad))
    assert error.invalid_event_number == 2, error
