"""What the tests of the chart share: helm run on values, and what came out of it, read by a YAML parser."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm"
HELM = os.environ.get("HELM", "helm")
WEIR = os.environ.get("WEIR", str(ROOT / "target/debug/weir"))
NAMESPACE = "security"
# Helm built from source believes in a Kubernetes of 2020.
KUBERNETES = "1.34.0"
SECRETS = "/run/secrets/weir"


def cases():
    """The value files of `helm/ci`, by name."""
    return {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}


def helm(*words, values=(), release="weir", chart=CHART):
    """Runs helm on a chart, where there is one, with these value files and dicts, later ones over earlier ones."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, value in enumerate(values):
            if isinstance(value, dict):
                path = pathlib.Path(folder) / f"{number}.yaml"
                path.write_text(yaml.safe_dump(value))
                value = path
            files += ["--values", str(value)]
        command = [HELM, *words, release, *([str(chart)] if chart else []), "--namespace", NAMESPACE, *files]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def render(*values, release="weir"):
    """Every object that these values make."""
    done = helm("template", "--kube-version", KUBERNETES, values=values, release=release)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def notes(*values):
    """What is told after an installation. helm shows it to nobody without a cluster, so a copy has it in an object."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "weir"
        shutil.copytree(CHART, copy)
        (copy / "templates/NOTES.txt").rename(copy / "notes")
        (copy / "templates/notes.yaml").write_text('notes: {{ tpl (.Files.Get "notes") . | quote }}\n')
        done = helm("template", "--kube-version", KUBERNETES, "--show-only", "templates/notes.yaml", values=values, chart=copy)
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(done.stdout)["notes"]


@functools.cache
def rendered(case):
    """The objects of a case of `helm/ci`."""
    return render(cases()[case])


def of_kind(objects, kind):
    """Those of one kind, by name; a name must not come twice."""
    found = [thing for thing in objects if thing["kind"] == kind]
    named = {thing["metadata"]["name"]: thing for thing in found}
    assert len(named) == len(found), f"two of {kind} have one name"
    return named


def worker_of(thing):
    """Which worker an object belongs to."""
    return thing["metadata"]["labels"]["app.kubernetes.io/component"]


def containers(stateful_set):
    """All of them, whatever they are for."""
    pod = stateful_set["spec"]["template"]["spec"]
    return pod.get("initContainers", []) + pod["containers"] + pod.get("ephemeralContainers", [])


def config_text(objects, name):
    """The weir.yaml that this worker reads."""
    return of_kind(objects, "ConfigMap")[name]["data"]["weir.yaml"]


def source(path):
    """A file of the code."""
    return (ROOT / path).read_text()


def seconds(path, constant):
    """A constant of the code that is a number of seconds; the last one where tests have another."""
    line = re.search(rf"const {constant}: Duration =(.*);", source(path))
    assert line, f"{path} has no {constant}"
    return int(re.findall(r"from_secs\((\d+)\)", line.group(1))[-1])
