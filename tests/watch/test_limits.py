"""inotify's limits, really reached: a user namespace has its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.netns


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_at_the_limit_files_are_polled_and_the_setting_is_named(tmp_path: Path, limit: str) -> None:
    conf = tmp_path / "conf"
    conf.write_text("first\n")
    with subprocess.Popen(
        [
            *("unshare", "--user", "--map-root-user"),
            *(sys.executable, Path(__file__).with_name("limited.py"), conf, limit),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            down = process.stdout.readline()
            assert f"fs.inotify.{limit.replace('inotify', 'user')}" in down
            assert "looked at every 0.05 s" in down
            conf.write_text("second\n")
            assert process.stdout.readline() == "wake\n"
            assert process.stdout.readline() == "up\n"
            conf.write_text("third\n")
            assert process.stdout.readline() == "wake\n"
        finally:
            process.kill()
