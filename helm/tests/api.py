"""Questions to a Kubernetes API server; as a program: api.py PATH."""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request


def ask(path, body=None, method=None):
    """The status and the answer, parsed where it is JSON."""
    context = ssl.create_default_context(cafile=os.environ["API_CA"])
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {os.environ['API_TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["API_SERVER"] + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


if __name__ == "__main__":
    found, said = ask(sys.argv[1])
    print(said)
    sys.exit(0 if found == 200 else 1)
