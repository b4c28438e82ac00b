"""Writes Kubernetes' schemas as kubeconform wants them: schemas.py VERSION FOLDER.

They come with the package kubernetes-validate, closed against unknown keys, but refer to each other by an address that only
that package knows; here each becomes whole in itself.
"""

import json
import pathlib
import sys

import kubernetes_validate

# Every kind that the chart makes, as files are called.
KINDS = ["configmap-v1", "networkpolicy-networking-v1", "poddisruptionbudget-policy-v1", "service-v1", "serviceaccount-v1",
         "statefulset-apps-v1"]


def main(version, folder):
    """Writes them to the subfolder in which kubeconform looks for this version."""
    package = pathlib.Path(kubernetes_validate.__file__).parent
    there = package / "kubernetes-json-schema" / f"v{version}-local-strict"
    here = pathlib.Path(folder) / f"v{version}-standalone-strict"
    here.mkdir(parents=True)

    def read(name):
        return json.loads((there / f"{name}.json").read_text().replace('"/api/_definitions.json#', '"#'))
    definitions = read("_definitions")["$defs"]
    for kind in KINDS:
        schema = read(kind) | {"$schema": "http://json-schema.org/draft-07/schema#", "$defs": definitions}
        assert schema["additionalProperties"] is False, kind
        (here / f"{kind}.json").write_text(json.dumps(schema))


if __name__ == "__main__":
    main(*sys.argv[1:])
