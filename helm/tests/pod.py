"""A pod's file system in a folder: the rendered ConfigMap and the Secrets as a kubelet mounts them, for `weir check`."""

import datetime
import functools
import pathlib
import re
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chart import ROOT, SECRETS, WEIR

RULES = "/etc/weir-rules"
OWN_RULE = "detect/rules/exfiltration/mail-forwarding.yml"


def mount(folder, files):
    """Files as a kubelet mounts them: links to a folder that is swapped as a whole."""
    whole = folder / "..2026_01_05"
    for name, text in files.items():
        path = whole / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "..data").symlink_to(whole.name)
    for name in {pathlib.Path(name).parts[0] for name in files}:
        (folder / name).symlink_to(f"..data/{name}")


@functools.cache
def certificate():
    """A certificate and its key, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin = datetime.datetime(2026, 1, 1)
    signed = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
              .serial_number(1).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=36500))
              .sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return (signed.public_bytes(serialization.Encoding.PEM) + private).decode()


def own_rule():
    """One of the built-in rules under another id, with its test."""
    rule = (ROOT / OWN_RULE).read_text()
    rule = re.sub(r"^id: .*$", "id: 7e7d2e9c-0000-4000-8000-00000000abcd", rule, flags=re.M)
    test = (ROOT / OWN_RULE.replace(".yml", ".test.yml")).read_text()
    return {"exfiltration/own.yml": rule, "exfiltration/own.test.yml": test}


def check(text):
    """`weir check --offline` of this weir.yaml in its pod."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        secrets = {}
        for place, name in re.findall(rf"{SECRETS}/([\w-]+)/([\w.-]+)", text):
            secrets.setdefault(place, {})[name] = certificate() if name.endswith(".pem") else "a-secret"
        for place, files in secrets.items():
            mount(root / "secrets" / place, files)
        mount(root / "rules", own_rule())
        # The pod's folders lie elsewhere here.
        text = text.replace(SECRETS, f"{root}/secrets").replace(RULES, f"{root}/rules")
        text = text.replace("  kafka:\n", f"  kafka:\n    secrets_folder: {root}/secrets\n", 1)
        mount(root / "etc", {"weir.yaml": text})
        return subprocess.run([WEIR, "check", "--offline", "--config", root / "etc/weir.yaml"],
                              capture_output=True, text=True, check=False)
