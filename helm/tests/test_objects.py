"""What the chart makes of values: one workload a worker, what each may, how it is watched and how it ends."""

import functools
import hashlib
import re
import unittest

import yaml

import pod
from chart import (SECRETS, cases, config_text, containers, notes, of_kind, render, rendered, seconds, source,
                   worker_of)

THREE = ["detect", "enrich", "ingest"]
WORKERS = {
    "crew": [*THREE, "sink-archive"],
    "default": THREE,
    "two-replicas": [*THREE, "sink-splunk"],
    "three-sinks": [*THREE, "sink-sentinel", "sink-splunk", "sink-workspace"],
    "tls-sasl": [*THREE, "sink-splunk"],
}

# What the restricted standard lets pods mount.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def each(law):
    """The law for every StatefulSet of every case, with the objects around it; all that break it are named."""
    @functools.wraps(law)
    def test(self):
        for case in cases():
            for name, stateful_set in of_kind(rendered(case), "StatefulSet").items():
                with self.subTest(case=case, name=name):
                    law(self, rendered(case), name, stateful_set)
    return test


class Objects(unittest.TestCase):
    """Laws that hold for every worker of every case."""

    def test_each_worker_and_each_sink_has_one_workload_and_one_of_everything(self):
        self.assertEqual(sorted(cases()), sorted(WORKERS), "a case without an expectation")
        for case, workers in WORKERS.items():
            before = "audit" if case == "three-sinks" else "weir"
            names = [f"{before}-{worker}" for worker in workers]
            for kind in ["StatefulSet", "Service", "ConfigMap", "ServiceAccount"]:
                self.assertEqual(sorted(of_kind(rendered(case), kind)), names, (case, kind))
            kinds = {thing["kind"] for thing in rendered(case)}
            optional = {"PodMonitor", "NetworkPolicy"} if case == "three-sinks" else set()
            expected = {"StatefulSet", "Service", "ConfigMap", "ServiceAccount", "PodDisruptionBudget"}
            self.assertEqual(kinds, expected | optional, case)

    @each
    def test_nothing_is_claimed_and_no_replica_waits_for_another(self, _objects, _name, stateful_set):
        spec = stateful_set["spec"]
        self.assertNotIn("volumeClaimTemplates", spec)
        self.assertEqual(spec["podManagementPolicy"], "Parallel")
        self.assertNotIn("persistentVolumeClaim", str(spec["template"]["spec"]["volumes"]))

    @each
    def test_the_pod_is_the_member_and_runs_its_own_worker_only(self, objects, name, stateful_set):
        (container,) = containers(stateful_set)
        worker = worker_of(stateful_set)
        self.assertEqual(container["command"], ["weir"])
        words = container["args"]
        is_sink = worker.startswith("sink-")
        command = ["sink", "--only", worker.removeprefix("sink-")] if is_sink else [worker]
        self.assertEqual(words, [*command, "--config", "/etc/weir/weir.yaml", "--member", "$(POD_NAME)"])
        field = next(one for one in container["env"] if one["name"] == "POD_NAME")
        self.assertEqual(field["valueFrom"], {"fieldRef": {"fieldPath": "metadata.name"}})
        sinks = yaml.safe_load(config_text(objects, name)).get("sinks", [])
        self.assertEqual([sink["name"] for sink in sinks], [worker.removeprefix("sink-")] if is_sink else [])

    @each
    def test_every_container_meets_the_restricted_standard(self, _objects, _name, stateful_set):
        pod = stateful_set["spec"]["template"]["spec"]
        self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
        self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & pod.keys())
        for volume in pod["volumes"]:
            self.assertEqual(len(volume), 2, volume)
            self.assertTrue(VOLUMES & volume.keys(), volume)
        for container in containers(stateful_set):
            context = container["securityContext"]
            self.assertIs(context["runAsNonRoot"], True)
            self.assertIs(context["readOnlyRootFilesystem"], True)
            self.assertIs(context["allowPrivilegeEscalation"], False)
            self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
            self.assertFalse({"privileged", "runAsUser", "procMount"} & context.keys())

    @each
    def test_each_has_an_account_of_its_own_and_no_token(self, objects, name, stateful_set):
        pod = stateful_set["spec"]["template"]["spec"]
        self.assertEqual(pod["serviceAccountName"], name)
        self.assertIs(pod["automountServiceAccountToken"], False)
        self.assertIs(of_kind(objects, "ServiceAccount")[name]["automountServiceAccountToken"], False)

    @each
    def test_probes_ask_what_the_code_answers_where_it_listens(self, objects, name, stateful_set):
        paths = re.findall(r'\.route\("(/\w+z)"', source("runtime/src/admin.rs"))
        self.assertEqual(sorted(paths), ["/livez", "/readyz", "/startupz"])
        (container,) = containers(stateful_set)
        (port,) = container["ports"]
        listen = yaml.safe_load(config_text(objects, name))["admin"]["listen"]
        address, _, number = listen.rpartition(":")
        self.assertIn(address, ["0.0.0.0", "[::]"], "a probe reaches the pod's own address only")
        self.assertEqual(port["containerPort"], int(number))
        for probe, path in [("startup", "/startupz"), ("liveness", "/livez"), ("readiness", "/readyz")]:
            self.assertEqual(container[f"{probe}Probe"]["httpGet"], {"path": path, "port": port["name"]})
        startup = container["startupProbe"]
        self.assertGreaterEqual(startup["periodSeconds"] * startup["failureThreshold"], 600, "for restoring")

    @each
    def test_a_stop_has_the_time_that_the_code_may_take(self, _objects, _name, stateful_set):
        takes = (seconds("pipeline/src/worker.rs", "STOP_WITHIN") + seconds("runtime/src/kafka/handle.rs", "LEAVE_WITHIN")
                 + seconds("runtime/src/admin.rs", "CLOSE_WITHIN"))
        self.assertGreater(stateful_set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], takes)

    @each
    def test_selectors_find_their_own_pods_and_no_others(self, objects, name, stateful_set):
        labels = {other: pods["spec"]["template"]["metadata"]["labels"]
                  for other, pods in of_kind(objects, "StatefulSet").items()}
        selectors = [stateful_set["spec"]["selector"]["matchLabels"], of_kind(objects, "Service")[name]["spec"]["selector"]]
        for constraint in stateful_set["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            selectors.append(constraint["labelSelector"]["matchLabels"])
        for kind in ["PodDisruptionBudget", "PodMonitor"]:
            found = of_kind(objects, kind).get(name)
            selectors += [found["spec"]["selector"]["matchLabels"]] if found else []
        policy = of_kind(objects, "NetworkPolicy").get(name)
        selectors += [policy["spec"]["podSelector"]["matchLabels"]] if policy else []
        for selector in selectors:
            found = [other for other, pod in labels.items() if selector.items() <= pod.items()]
            self.assertEqual(found, [name], selector)

    @each
    def test_the_service_is_headless_and_the_one_that_the_workload_names(self, objects, name, stateful_set):
        self.assertEqual(stateful_set["spec"]["serviceName"], name)
        service = of_kind(objects, "Service")[name]["spec"]
        self.assertEqual((service["clusterIP"], service["ports"][0]["targetPort"]), ("None", "admin"))

    @each
    def test_the_configuration_is_a_folder_and_a_change_of_it_rolls_its_own_pods_only(self, objects, name, stateful_set):
        pod = stateful_set["spec"]["template"]
        (volume,) = [one for one in pod["spec"]["volumes"] if "configMap" in one and one["name"] == "config"]
        self.assertEqual(volume["configMap"], {"name": name})
        (mount,) = [one for one in containers(stateful_set)[0]["volumeMounts"] if one["name"] == "config"]
        self.assertEqual(mount, {"name": "config", "mountPath": "/etc/weir", "readOnly": True})
        text = config_text(objects, name).rstrip("\n")
        self.assertEqual(pod["metadata"]["annotations"]["checksum/config"], hashlib.sha256(text.encode()).hexdigest())

        def sums(*more):
            sets = of_kind(render(cases()["three-sinks"], *more), "StatefulSet")
            return {name: one["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for name, one in sets.items()}
        before, after = sums(), sums({"workers": {"sink-splunk": {"config": {"index": "other"}}}})
        self.assertEqual([name for name in before if before[name] != after[name]], ["audit-sink-splunk"])

    @each
    def test_a_pod_gets_the_secrets_that_its_own_configuration_names(self, objects, name, stateful_set):
        volumes = {one["name"]: one["secret"] for one in stateful_set["spec"]["template"]["spec"]["volumes"] if "secret" in one}
        mounts = {one["name"]: one for one in containers(stateful_set)[0]["volumeMounts"]}
        folders = {mounts[volume]["mountPath"] for volume in volumes}
        self.assertTrue(all(mounts[volume]["readOnly"] for volume in volumes))
        named = set(re.findall(rf"{SECRETS}/[\w-]+(?=/)", config_text(objects, name)))
        self.assertEqual(folders, named)
        self.assertTrue(all(secret["defaultMode"] == 0o440 for secret in volumes.values()))
        self.assertFalse([one for one in containers(stateful_set)[0]["env"] if "secretKeyRef" in str(one)])
        splunk = of_kind(rendered("tls-sasl"), "StatefulSet")["weir-sink-splunk"]["spec"]["template"]["spec"]["volumes"]
        self.assertEqual(sorted(one["secret"]["secretName"] for one in splunk if "secret" in one),
                         ["kafka-clients-ca", "weir-kafka-splunk", "weir-registry", "weir-splunk"])


class Values(unittest.TestCase):
    """What single values do."""

    def test_a_key_of_a_worker_replaces_the_default_also_with_nothing(self):
        sets = of_kind(rendered("tls-sasl"), "StatefulSet")
        self.assertEqual(sets["weir-enrich"]["spec"]["replicas"], 0)
        self.assertEqual(sorted(of_kind(rendered("tls-sasl"), "PodDisruptionBudget")),
                         ["weir-detect", "weir-ingest", "weir-sink-splunk"])
        two = of_kind(rendered("two-replicas"), "StatefulSet")
        self.assertEqual({name: one["spec"]["replicas"] for name, one in two.items()},
                         {"weir-detect": 2, "weir-enrich": 2, "weir-ingest": 2, "weir-sink-splunk": 1})

    def test_a_worker_can_be_left_out(self):
        off = {"workers": {"ingest": {"enabled": False, "config": None}}}
        self.assertEqual(sorted(of_kind(render(cases()["two-replicas"], off), "StatefulSet")),
                         ["weir-detect", "weir-enrich", "weir-sink-splunk"])

    def test_resources_of_a_worker_replace_the_default_as_a_whole_also_those_of_detect(self):
        def resources(**values):
            sets = of_kind(render(cases()["default"], values), "StatefulSet")
            return {worker_of(one): containers(one)[0].get("resources") for one in sets.values()}
        small = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
        state = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
        self.assertEqual(resources(), {"ingest": small, "enrich": small, "detect": state})
        self.assertEqual(resources(workers={"detect": {"resources": {}}})["detect"], None)
        own = {"limits": {"memory": "8Gi"}}
        for worker in THREE:
            expected = {"ingest": small, "enrich": small, "detect": state} | {worker: own}
            self.assertEqual(resources(workers={worker: {"resources": own}}), expected)
        self.assertEqual(resources(defaults={"resources": own}), dict.fromkeys(THREE, own))

    def test_no_worker_has_values_of_its_own_that_helm_would_merge(self):
        for name, own in yaml.safe_load(source("helm/values.yaml"))["workers"].items():
            self.assertEqual(own, {"config": {}}, name)

    def test_all_can_be_off_but_one_sink(self):
        secret = {"file": "/run/secrets/weir/splunk/token"}
        sink = {"enabled": True, "config": {"kind": "splunk_hec", "url": "https://splunk.example", "token": secret}}
        values = {"kafka": {"bootstrap": "k:9092"}, "secrets": {"splunk": "s"}, "defaults": {"enabled": False}, "workers": {"sink-a": sink}}
        self.assertEqual(sorted(of_kind(render(values), "StatefulSet")), ["weir-sink-a"])

    def test_each_worker_can_have_a_user_of_its_own(self):
        users = {}
        for name in of_kind(rendered("tls-sasl"), "ConfigMap"):
            kafka = yaml.safe_load(config_text(rendered("tls-sasl"), name))["log"]["kafka"]
            self.assertEqual(kafka["settings"]["security.protocol"], "sasl_ssl", "the common settings stay")
            users[name] = (kafka["settings"]["sasl.username"], kafka["password"]["file"])
        self.assertEqual(len(set(users.values())), len(users), users)
        self.assertEqual(users["weir-detect"], ("weir-detect", f"{SECRETS}/kafka-detect/password"))

    def test_a_worker_can_leave_out_what_is_common_to_log_in_another_way(self):
        certificate = {"security.protocol": "ssl", "sasl.mechanism": None, "sasl.username": None}
        objects = render(cases()["tls-sasl"], {"workers": {"detect": {"kafka": {"password": None, "registry": None, "settings": certificate}}}})
        kafka = {name: yaml.safe_load(config_text(objects, name))["log"]["kafka"] for name in of_kind(objects, "ConfigMap")}
        self.assertEqual(kafka["weir-detect"], {
            "bootstrap": "kafka-1:9093", "replication": 3, "static_membership": True,
            "key_password": {"file": f"{SECRETS}/kafka-tls/key-password"},
            "settings": {
                "security.protocol": "ssl", "linger.ms": 20, "socket.keepalive.enable": True,
                "ssl.ca.location": f"{SECRETS}/kafka-tls/ca.pem", "ssl.certificate.location": f"{SECRETS}/kafka-tls/tls.crt",
                "ssl.key.location": f"{SECRETS}/kafka-tls/tls.key",
            },
        })
        self.assertEqual(kafka["weir-ingest"]["settings"]["sasl.mechanism"], "SCRAM-SHA-512")
        done = pod.check(config_text(objects, "weir-detect"))
        self.assertEqual(done.returncode, 0, done.stderr)
        volumes = of_kind(objects, "StatefulSet")["weir-detect"]["spec"]["template"]["spec"]["volumes"]
        self.assertEqual([one["secret"]["secretName"] for one in volumes if "secret" in one], ["kafka-clients-ca"])
        tokens = render(cases()["three-sinks"], {"workers": {"detect": {"kafka": {"oauth": None, "settings": None}}}})
        self.assertEqual(set(yaml.safe_load(config_text(tokens, "audit-detect"))["log"]["kafka"]), {"bootstrap", "static_membership"})

    def test_two_releases_in_a_namespace_share_no_name(self):
        names = [{(thing["kind"], thing["metadata"]["name"]) for thing in render(cases()["default"], release=release)}
                 for release in ["weir", "other"]]
        self.assertFalse(names[0] & names[1])
        self.assertIn(("StatefulSet", "other-weir-detect"), names[1])

    def test_a_digest_holds_whatever_the_tag_says_and_no_host_is_assumed(self):
        images = {case: {containers(one)[0]["image"] for one in of_kind(rendered(case), "StatefulSet").values()} for case in WORKERS}
        version = re.search(r'^version = "(.+)"', source("Cargo.toml"), re.M).group(1)
        self.assertEqual(images["default"], {f"weir:{version}"})
        self.assertEqual(images["three-sinks"], {f"images.example/security/weir@sha256:{'0123456789abcdef' * 4}"})

    def test_a_policy_lets_in_who_scrapes_and_nobody_else(self):
        for name, policy in of_kind(rendered("three-sinks"), "NetworkPolicy").items():
            self.assertEqual(policy["spec"]["policyTypes"], ["Ingress", "Egress"], name)
            (ingress,) = policy["spec"]["ingress"]
            self.assertEqual([port["port"] for port in ingress["ports"]], ["admin"], name)
            self.assertTrue(ingress["from"], name)
        closed = render(cases()["three-sinks"], {"networkPolicy": {"scrapers": []}})
        self.assertTrue(all(one["spec"]["ingress"] == [] for one in of_kind(closed, "NetworkPolicy").values()))

    def test_the_notes_name_every_worker_and_what_is_to_do_first(self):
        said = notes(cases()["two-replicas"])
        for words in ["weir-ingest: 2 of `weir ingest`", "weir-sink-splunk: 1 of `weir sink --only splunk`", "weir topics apply"]:
            self.assertIn(words, said)
        self.assertIn("There is no sink", notes(cases()["default"]))
        self.assertNotIn("There is no sink", said)
        self.assertIn("with a password or a certificate", " ".join(said.split()))

    def test_the_notes_ask_for_schemas_where_there_is_a_registry(self):
        self.assertIn("weir schema apply", notes(cases()["tls-sasl"]))
        self.assertNotIn("weir schema apply", notes(cases()["default"]))

    def test_the_notes_ask_for_a_prefix_where_there_is_none(self):
        warning = "needs a kafka.prefix of its own"
        for kafka, asked in [({}, True), ({"static_membership": False}, True), ({"prefix": "sec-"}, False)]:
            self.assertEqual(warning in notes(cases()["default"], {"kafka": kafka}), asked, kafka)


if __name__ == "__main__":
    unittest.main()
