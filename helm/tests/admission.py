"""The chart on a real API server, in a namespace that enforces the restricted standard. Run by .ci/api-server, which says
where it is; `unittest discover` without a pattern leaves it out.
"""

import copy
import pathlib
import re
import shutil
import tempfile
import unittest

from api import ask
from chart import CHART, NAMESPACE, cases, helm

ENFORCED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ["enforce", "warn"]}
# Its kind is not Kubernetes' own.
OFF = {"podMonitor": {"enabled": False}}


def stateful_sets():
    """Those that the server has, by name."""
    _, answer = ask(f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets")
    return {one["metadata"]["name"]: one for one in answer["items"]}


def try_pod(template):
    """What the server says to a pod of this template, without making it."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "probe-0"}, "spec": template["spec"]}
    return ask(f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)


class Admission(unittest.TestCase):
    """Against a real server."""

    @classmethod
    def setUpClass(cls):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": ENFORCED}}
        priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "important"}, "value": 1000}
        for path, thing in [("/api/v1/namespaces", namespace), ("/apis/scheduling.k8s.io/v1/priorityclasses", priority)]:
            status, answer = ask(path, thing)
            assert status == 201, answer

    def install(self, case, *more, command="install", chart=CHART):
        """Installs a case; helm says what the server warns of."""
        done = helm(command, values=[cases()[case], OFF, *more], chart=chart)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("would violate", done.stderr)
        self.assertNotIn("unknown field", done.stderr)
        return done

    def tearDown(self):
        helm_gone = helm("uninstall", chart=None)
        self.assertEqual(helm_gone.returncode, 0, helm_gone.stderr)

    def test_every_case_is_taken_and_its_pods_are_admitted_and_all_of_it_goes_again(self):
        for case in cases():
            with self.subTest(case):
                self.install(case)
                found = stateful_sets()
                self.assertGreaterEqual(len(found), 3)
                for name, one in found.items():
                    status, answer = try_pod(one["spec"]["template"])
                    self.assertEqual(status, 201, (name, answer))
                    self.assertEqual(answer["spec"]["serviceAccountName"], name)
                    self.assertNotIn("serviceAccountToken", str(answer["spec"]["volumes"]), "nothing was added")
                gone = helm("uninstall", chart=None)
                self.assertEqual(gone.returncode, 0, gone.stderr)
                for path in ["apis/apps/v1", "api/v1"]:
                    kinds = ["statefulsets"] if "apps" in path else ["services", "configmaps", "serviceaccounts"]
                    for kind in kinds:
                        _, left = ask(f"/{path}/namespaces/{NAMESPACE}/{kind}?labelSelector=app.kubernetes.io/instance=weir")
                        self.assertEqual(left["items"], [], kind)
        self.install("default")

    def test_the_server_would_refuse_a_pod_that_may_more(self):
        self.install("default")
        template = stateful_sets()["weir-detect"]["spec"]["template"]
        for path, value in [(("allowPrivilegeEscalation",), True), (("runAsNonRoot",), False), (("capabilities", "drop"), [])]:
            worse = copy.deepcopy(template)
            context = worse["spec"]["containers"][0]["securityContext"]
            for step in path[:-1]:
                context = context[step]
            context[path[-1]] = value
            status, answer = try_pod(worse)
            self.assertEqual(status, 403, answer)
            self.assertIn("restricted", answer["message"])

    def test_another_version_with_more_replicas_is_an_upgrade(self):
        self.install("two-replicas")
        before = stateful_sets()["weir-enrich"]
        with tempfile.TemporaryDirectory() as folder:
            newer = pathlib.Path(folder) / "weir"
            shutil.copytree(CHART, newer)
            chart = newer / "Chart.yaml"
            chart.write_text(re.sub(r"(?m)^(version|appVersion): .*$", r"\1: 9.9.9", chart.read_text()))
            self.install("two-replicas", {"defaults": {"replicas": 3}}, command="upgrade", chart=newer)
        after = stateful_sets()["weir-enrich"]
        self.assertEqual(after["metadata"]["uid"], before["metadata"]["uid"], "it was not made anew")
        self.assertEqual(after["spec"]["replicas"], 3)
        self.assertTrue(after["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":9.9.9"))


if __name__ == "__main__":
    unittest.main()
