"""Values that are wrong are refused before anything is made, and the message says where."""

import unittest

from chart import cases, helm

ID = "7e7d2e9c-0000-4000-8000-000000000001"
SECRET = {"file": "/run/secrets/weir/entra/client-secret"}


def worker(name, **keys):
    """Values that say something of one worker."""
    return {"workers": {name: keys}}


def source(**keys):
    """Values with one source, right but for these keys."""
    entra = {"client_id": ID, "client_secret": SECRET}
    whole = {"name": "contoso", "kind": "management-api", "tenant": ID, "entra": entra} | keys
    return worker("ingest", config={"sources": [{key: value for key, value in whole.items() if value is not None}]})


def splunk(**keys):
    """Values with a sink, right but for these keys."""
    whole = {"kind": "splunk_hec", "url": "https://splunk.example:8088", "token": SECRET} | keys
    return worker("sink-splunk", config={key: value for key, value in whole.items() if value is not None})


# What is wrong, and what the message must say: where it is, and what about it.
REFUSED = {
    "an unknown key": ({"kafak": {}}, ["kafak"]),
    "an unknown key of the image": ({"image": {"registry": "x"}}, ["/image", "registry"]),
    "no brokers": ({"kafka": {"bootstrap": None}}, ["/kafka", "bootstrap"]),
    "no brokers either": ({"kafka": {"bootstrap": ""}}, ["/kafka/bootstrap"]),
    "a broker without a port": ({"kafka": {"bootstrap": "kafka-1"}}, ["/kafka/bootstrap"]),
    "a user among the brokers": ({"kafka": {"bootstrap": "a:b@kafka-1:9092"}}, ["/kafka/bootstrap"]),
    "a setting that may not be passed": ({"kafka": {"settings": {"plugin.library.paths": "x"}}}, ["/kafka/settings", "plugin.library.paths"]),
    "a certificate out of place": ({"kafka": {"settings": {"ssl.ca.location": "/etc/ssl/ca.pem"}}}, ["ssl.ca.location"]),
    "a password written down": ({"kafka": {"password": "hunter2"}}, ["/kafka/password"]),
    "a password in the environment": ({"kafka": {"password": {"env": "PASSWORD"}}}, ["/kafka/password", "env"]),
    "a folder of secrets of its own": ({"kafka": {"secrets_folder": "/x"}}, ["/kafka", "secrets_folder"]),
    "a time without a unit": ({"kafka": {"session_timeout": "45"}}, ["/kafka/session_timeout"]),
    "tokens without a client": ({"kafka": {"oauth": {"token_url": "https://login.example/token"}}}, ["/kafka/oauth", "client_id"]),
    "a registry's user without a password": ({"kafka": {"registry": {"url": "https://r", "user": "weir"}}}, ["/kafka/registry", "password"]),
    "more records at a time than weir takes": ({"limits": {"records_max": 4097}}, ["/limits/records_max", "4,096"]),
    "more bytes at a time than weir takes": ({"limits": {"bytes_max": 4194305}}, ["/limits/bytes_max"]),
    "a prefix of one worker": (worker("enrich", kafka={"prefix": "x"}), ["/workers/enrich/kafka/prefix"]),
    "no brokers of a worker": (worker("enrich", kafka={"bootstrap": None}), ["/workers/enrich/kafka/bootstrap"]),
    "a member without a partition": (
        {"kafka": {"partitions": 4, "settings": {"group.protocol": "consumer"}}} | worker("enrich", replicas=5),
        ["workers.enrich", "5 replicas", "kafka.partitions", "4", "group.protocol"],
    ),
    "a member without one of the partitions that there are by default": (
        worker("detect", replicas=13, kafka={"settings": {"group.protocol": "consumer"}}),
        ["workers.detect", "13 replicas", "12"],
    ),
    "less than no replica": (worker("detect", replicas=-1), ["/workers/detect/replicas"]),
    "half a replica": (worker("detect", replicas=1.5), ["/workers/detect/replicas"]),
    "replicas as text": (worker("detect", replicas="2"), ["/workers/detect/replicas"]),
    "a worker that there is not": (worker("detct", replicas=1), ["/workers", "detct"]),
    "a sink with an ill name": (worker("sink-Splunk", config={}), ["/workers", "sink-Splunk"]),
    "a sink with a name that is too long": (worker("sink-" + "a" * 41, config={}), ["/workers", "sink-aaa"]),
    "a sink that says nothing": (worker("sink-splunk"), ["/workers/sink-splunk"]),
    "an unknown key of a worker": (worker("enrich", replica=2), ["/workers/enrich", "replica"]),
    "an unknown key of all workers": ({"defaults": {"persistence": {}}}, ["/defaults", "persistence"]),
    "a configuration for all workers": ({"defaults": {"config": {}}}, ["/defaults/config"]),
    "a stop without time": (worker("enrich", terminationGracePeriodSeconds=10), ["terminationGracePeriodSeconds"]),
    "no source": (worker("ingest", config={"sources": []}), ["/workers/ingest/config/sources"]),
    "no list of sources": (worker("ingest", config={"sources": None}), ["/workers/ingest/config", "sources"]),
    "a source of no kind": (source(kind="kafka"), ["sources/0/kind"]),
    "an unknown key of a source": (source(tennant="x"), ["sources/0", "tennant"]),
    "a source without a tenant": (source(tenant=None), ["sources/0", "tenant"]),
    "an app without proof": (source(entra={"client_id": ID}), ["sources/0/entra"]),
    "an app with a secret written down": (source(entra={"client_id": ID, "client_secret": "hunter2"}), ["entra/client_secret"]),
    "a source that ends": (source(kind="files", paths=["/x"], tenant=None, entra=None), ["sources/0", "watch"]),
    "a sink of no kind": (splunk(kind="syslog"), ["/workers/sink-splunk/config/kind"]),
    "a token written down": (splunk(token="hunter2"), ["/workers/sink-splunk/config/token"]),
    "a user in an address": (splunk(url="https://a:hunter2@splunk.example"), ["/workers/sink-splunk/config/url"]),
    "a key of another kind of sink": (splunk(dcr="dcr-1"), ["/workers/sink-splunk/config", "dcr"]),
    "an unknown key of enrich": (worker("enrich", config={"tenant": []}), ["/workers/enrich/config", "tenant"]),
    "a setting of detect under enrich": (worker("enrich", config={"rules": "/x"}), ["/workers/enrich/config", "rules"]),
    "rules in a folder that nobody knows": (worker("detect", config={"rules": "rules"}), ["/workers/detect/config/rules"]),
    "a secret in the environment": (worker("enrich", env={"A": {"valueFrom": {}}}), ["/workers/enrich/env/A"]),
    "another name for the pod": (worker("enrich", env={"POD_NAME": "x"}), ["/workers/enrich/env"]),
    "root": ({"podSecurity": {"runAsUser": 0}}, ["/podSecurity/runAsUser"]),
    "a writable file system": ({"podSecurity": {"readOnlyRootFilesystem": False}}, ["/podSecurity", "readOnlyRootFilesystem"]),
    "a port of root's": ({"admin": {"port": 80}}, ["/admin/port"]),
    "a selector that finds others": ({"defaults": {"podLabels": {"app.kubernetes.io/name": "x"}}}, ["/defaults/podLabels"]),
    "a digest that is none": ({"image": {"digest": "latest"}}, ["/image/digest"]),
    "a secret that nobody mounted": (splunk(token={"file": "/run/secrets/weir/splunk/token"}), ["workers.sink-splunk", '"splunk"']),
    "an authority where nothing is mounted": (
        {"kafka": {"registry": {"url": "https://r", "ca_file": "/run/secrets/weir/ca.pem"}}},
        ["/run/secrets/weir/ca.pem", "lies in no folder"],
    ),
    "names that are too long": ({"fullnameOverride": "a" * 42} | splunk(), ["52", "sink-splunk"]),
}


class Refusals(unittest.TestCase):
    """Each is refused, and said readably."""

    def test_what_is_wrong_is_refused_and_the_message_says_where(self):
        for what, (values, said) in REFUSED.items():
            with self.subTest(what):
                done = helm("template", "--kube-version", "1.34.0", values=[cases()["default"], values])
                self.assertNotEqual(done.returncode, 0)
                for words in said:
                    self.assertIn(words, done.stderr)

    def test_what_they_are_made_from_is_right(self):
        brokers = {"kafka": {"bootstrap": "kafka-1.internal:9092, [fd00::1]:9093"}}
        spare = worker("enrich", replicas=13)
        busy = {"kafka": {"partitions": 5, "settings": {"group.protocol": "consumer"}}} | worker("enrich", replicas=5)
        most = {"limits": {"records_max": 4096, "bytes_max": 4194304}}
        anything = {"global": {"anything": {"goes": 1}}}
        for values in [source(), splunk(), brokers, worker("detect", replicas=1), anything, spare, busy, most]:
            done = helm("template", "--kube-version", "1.34.0", values=[cases()["default"], values])
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_release_whose_name_no_service_can_have_is_refused(self):
        for release in ["weir.prod", "1-weir"]:
            done = helm("template", "--kube-version", "1.34.0", values=[cases()["default"]], release=release)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f'the name "{release}-detect"', done.stderr)

    def test_nothing_given_is_refused_with_all_that_is_needed(self):
        done = helm("template", "--kube-version", "1.34.0")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/kafka/bootstrap", done.stderr)
        self.assertIn("/workers/ingest/config", done.stderr)


if __name__ == "__main__":
    unittest.main()
