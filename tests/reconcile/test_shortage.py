"""Too few descriptors, too little memory: no bug, no guess, and all is well again afterwards."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.toolset import Tools, Toolset, Variant
from lvsmarkd.keepalived.conf.files import read_file
from lvsmarkd.keepalived.conf.globbing import matches_of
from lvsmarkd.keepalived.process.discovery import find_keepalived
from lvsmarkd.keepalived.process.version import installed_build
from lvsmarkd.model.report import Result
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.program import run
from tests.harness.control import MAIL, WEB, Bench
from tests.harness.shortage import no_descriptors

NO_DESCRIPTOR = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize(
    ("error", "said"), [(NO_DESCRIPTOR, "LimitNOFILE="), (MemoryError(), "MemoryMax=")]
)
def test_a_pass_that_the_host_cannot_carry_is_an_error_that_says_nothing_new(
    tmp_path: Path, error: Exception, said: str
) -> None:
    bench = Bench(tmp_path)
    before = bench.look()

    def fail() -> None:
        raise error

    bench.conf.write_text(WEB + MAIL)
    bench.paper.before_read = fail
    for _ in range(3):
        report = bench.look()
        assert report.result is Result.ERROR
        assert said in report.error
        assert report.trouble == "gone"
        [service] = report.services
        assert service.key == before.services[0].key
        assert (service.covered, service.unknown_because) == (None, report.error)
        assert report.rules_present == {}
        assert report.left == before.left
        assert report.repairs == ()
    bench.paper.before_read = lambda: None
    assert bench.look().result is Result.REPAIRED
    assert bench.rules() == {25, 80}


def test_the_first_pass_of_all_may_be_such_a_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def fail() -> None:
        raise MemoryError

    bench.paper.before_read = fail
    assert bench.look().result is Result.ERROR
    bench.paper.before_read = lambda: None
    assert bench.look().result is Result.REPAIRED


def test_other_errors_are_bugs_still(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def fail() -> None:
        raise OSError(errno.EINVAL, "a bug of ours")

    bench.paper.before_read = fail
    with pytest.raises(OSError, match="a bug of ours"):
        bench.look()


def test_without_descriptors_nothing_is_taken_for_absent(tmp_path: Path) -> None:
    (tmp_path / "one.conf").write_text(WEB)
    with no_descriptors():
        with pytest.raises(OSError, match="Too many open files"):
            find_keepalived()
        with pytest.raises(OSError, match="Too many open files"):
            matches_of(f"{tmp_path}/*.conf")
        with pytest.raises(OSError, match="Too many open files"):
            installed_build("/bin/true")
        assert isinstance(read_file(str(tmp_path / "one.conf")), Unknown)
        with pytest.raises(FirewallError) as failed:
            run(["/bin/true"])
        assert failed.value.trouble is Trouble.GONE
    assert matches_of(f"{tmp_path}/*.conf").names == [f"{tmp_path}/one.conf"]
    assert run(["/bin/true"]).status == 0


@pytest.mark.parametrize("variant", Variant)
def test_without_descriptors_each_chain_is_unknown(tmp_path: Path, variant: Variant) -> None:
    tools = dict.fromkeys(Family, Tools("/bin/true", "/bin/true"))
    backend = IptablesBackend(Toolset(variant, "1.8.9", tools), Backup(tmp_path))
    with no_descriptors():
        seen = backend.read()
    assert all(isinstance(chain, Unknown) for chain in seen.chains.values())


def test_in_little_memory_a_small_file_is_read_and_a_large_one_is_unreadable(
    tmp_path: Path,
) -> None:
    (tmp_path / "small").write_text(WEB)
    (tmp_path / "large").write_bytes(b"# \n" * (1 << 20))
    script = """
import resource, sys
from lvsmarkd.keepalived.conf.files import read_file
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 20),) * 2)
print([type(read_file(name)).__name__ for name in sys.argv[1:]])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "small", tmp_path / "large"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "['bytes', 'Unknown']"
