"""Where Go is too old to build a tool with, the checks say so and exit with 77."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

from chart import ROOT

# What the scripts need before they have to build anything.
NEEDED = ["bash", "cat", "dirname", "env", "mktemp", "rm", "sed", "sort"]

OLD = '#!/bin/sh\n[ "$*" = "env GOVERSION" ] || exit 1\necho go1.21.13\n'


class Scripts(unittest.TestCase):
    """With a Go of two years ago."""

    def run_with_old_go(self, script, *there):
        """The script, where there are an old Go and programs of these names that do nothing."""
        with tempfile.TemporaryDirectory() as folder:
            tools = pathlib.Path(folder) / "tools"
            tools.mkdir()
            for name in NEEDED:
                (tools / name).symlink_to(shutil.which(name))
            for name, text in [("go", OLD), *((name, "#!/bin/sh\n") for name in there)]:
                (tools / name).write_text(text)
                (tools / name).chmod(0o755)
            around = {"PATH": str(tools), "HOME": folder, "XDG_CACHE_HOME": folder, "TMPDIR": folder}
            return subprocess.run([ROOT / script], env=around, capture_output=True, text=True, check=False)

    def test_a_go_that_is_too_old_skips_the_check_of_the_chart(self):
        done = self.run_with_old_go(".ci/helm")
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertRegex(done.stdout, r"^SKIPPED: .*go 1\.\d+.*\n$")

    def test_a_go_that_is_too_old_skips_the_installation(self):
        done = self.run_with_old_go(".ci/api-server", "helm", "etcd")
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertRegex(done.stdout, r"^SKIPPED: .*go 1\.\d+.*\n$")


if __name__ == "__main__":
    unittest.main()
