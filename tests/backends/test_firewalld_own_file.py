"""A real firewalld that could not load its configuration: over the file of our policy, over others'
files, over both.
"""

import errno
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.selector import BackendSelector
from lvsmarkd.declarations.tables import Reload
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.report import Mode, Result
from lvsmarkd.model.rule import Plane
from tests.backends.grounds import OURS, firewalld_ground
from tests.harness.control import Bench
from tests.harness.firewalld import RealFirewalld

pytestmark = pytest.mark.netns
BROKEN = "<policy><broken"


@dataclass
class Broken:
    """A director whose rules were in sync, and a port that its operator opened for good."""

    bed: RealFirewalld
    bench: Bench
    state: Path
    reload: Reload = Reload.WHEN_SAFE

    @property
    def ours(self) -> Path:
        return self.bed.etc / "policies" / "lvsmarkd.xml"

    def restart(self, *files: tuple[Path, str]) -> None:
        """firewalld, after these files were written."""
        self.bed.stop()
        for path, content in files:
            path.write_text(content)
        self.bed.start("FAILED")

    def told(self, plan: Plan) -> str:
        (broken,) = [finding for finding in plan.findings if finding.kind is Kind.BROKEN]
        return broken.message

    def opened(self) -> bool:
        return "1234/tcp" in self.bed.cmd("--list-ports")

    def copies(self) -> list[str]:
        return [path.read_text() for path in (self.state / "backup").glob("*-lvsmarkd.xml")]


@pytest.fixture
def broken(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[Broken]:
    real_firewalld.open_ports("1234/tcp", "80/tcp", "443/tcp")
    with ExitStack() as stack:
        made = Broken(real_firewalld, Bench(tmp_path), tmp_path / "state")

        def find() -> CommandBackend:
            ground = firewalld_ground(made.bed, made.state, "policy", made.reload)
            return stack.enter_context(ground).backend

        made.bench.reconciler.backend = BackendSelector(find, lambda: None)
        made.bench.look()
        assert made.bench.look().repairs == ()
        yield made


def test_the_file_of_our_policy_gives_way_and_all_is_as_before(broken: Broken) -> None:
    broken.restart((broken.ours, BROKEN))
    assert not broken.opened()
    report = broken.bench.look()
    assert str(broken.ours) in broken.told(report.found)
    assert report.result is Result.REPAIRED, report.error
    assert broken.bed.state() == "RUNNING"
    assert broken.opened()
    for plane in ((), ("--permanent",)):
        assert OURS in broken.bed.cmd(*plane, "--policy=lvsmarkd", "--list-rich-rules")
    assert broken.copies() == [BROKEN]
    report = broken.bench.look()
    assert report.repairs == ()
    assert all(state.covered for state in report.services)
    broken.bed.stop()
    broken.bed.start()
    assert broken.bench.look().repairs == ()


def test_the_same_broken_file_again_is_kept_once(broken: Broken) -> None:
    for _ in range(2):
        broken.restart((broken.ours, BROKEN))
        broken.bench.look()
        assert broken.bed.state() == "RUNNING"
    assert broken.copies() == [BROKEN]


def test_a_daemon_that_starts_then_mends_it_too(broken: Broken) -> None:
    broken.restart((broken.ours, BROKEN))
    backend = broken.bench.reconciler.backend
    broken.bench.start()
    broken.bench.reconciler.backend = backend
    assert broken.bench.look().result is Result.REPAIRED
    assert broken.opened()


def test_others_files_are_told_and_stay(broken: Broken) -> None:
    theirs = broken.bed.etc / "zones" / "dmz.xml"
    broken.restart((theirs, "<zone><broken"))
    ours = broken.ours.read_text()
    report = broken.bench.look()
    assert f"{theirs} (unclosed token" in broken.told(report.left)
    assert str(broken.ours) not in broken.told(report.left)
    assert report.repairs == ()
    assert report.error == ""
    assert (theirs.read_text(), broken.ours.read_text()) == ("<zone><broken", ours)
    assert broken.bed.state() == "FAILED"
    theirs.unlink()
    broken.bed.cmd("--reload")
    assert all(state.covered for state in broken.bench.look().services)


def test_where_others_files_are_broken_too_ours_gives_way_and_theirs_are_told(
    broken: Broken,
) -> None:
    theirs = broken.bed.etc / "zones" / "dmz.xml"
    broken.restart((theirs, "<zone><broken"), (broken.ours, BROKEN))
    report = broken.bench.look()
    assert report.result is Result.ERROR
    assert not broken.ours.exists()
    report = broken.bench.look()
    assert str(theirs) in broken.told(report.left)
    assert theirs.read_text() == "<zone><broken"
    theirs.unlink()
    broken.bed.cmd("--reload")
    broken.bench.look()
    assert all(state.covered for state in broken.bench.look().services)


def test_who_only_looks_removes_nothing(broken: Broken) -> None:
    broken.restart((broken.ours, BROKEN))
    report = broken.bench.look(mode=Mode.OBSERVE)
    assert str(broken.ours) in broken.told(report.left)
    assert {step.chain_key.plane for step in report.left.steps} == {Plane.PERMANENT}
    assert broken.ours.read_text() == BROKEN


def test_where_no_reload_is_allowed_the_file_stays_and_is_told(broken: Broken) -> None:
    broken.reload = Reload.NEVER
    broken.restart((broken.ours, BROKEN))
    broken.bench.look(mode=Mode.OBSERVE)
    report = broken.bench.look()
    assert report.result is Result.ERROR
    assert 'reload is "never"' in report.error
    assert str(broken.ours) in broken.told(report.left)
    assert broken.ours.read_text() == BROKEN


def test_what_somebody_opened_meanwhile_is_not_taken_away(broken: Broken) -> None:
    broken.restart((broken.ours, BROKEN))
    broken.bed.cmd("--add-port=2222/tcp")
    report = broken.bench.look()
    assert "zone public: ports" in report.error
    assert "2222/tcp" in broken.bed.cmd("--list-ports")
    assert broken.ours.read_text() == BROKEN


def test_a_file_that_cannot_be_removed_is_told(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken.restart((broken.ours, BROKEN))

    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == broken.ours:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    report = broken.bench.look()
    assert f"remove {broken.ours}, and run firewall-cmd --reload" in report.error
    assert "Read-only file system" in report.error
