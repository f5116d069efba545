"""Passes of the daemon over the real firewalld: what is mended stays so, and nothing goes round."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.selector import BackendSelector
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.report import Cause, Result
from lvsmarkd.model.rule import Plane
from tests.backends.grounds import OURS, FirewalldGround, firewalld_ground
from tests.harness.control import Bench
from tests.harness.firewalld import RealFirewalld

pytestmark = pytest.mark.netns


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("placement", ["policy", "zone"])
def test_passes_mend_what_is_undone_and_end_in_sync(
    real_firewalld: RealFirewalld, tmp_path: Path, opened: ExitStack, placement: str
) -> None:
    bed = real_firewalld
    bed.open_ports("80/tcp", "443/tcp")

    def find() -> CommandBackend:
        made = firewalld_ground(bed, tmp_path / "state", placement)
        return opened.enter_context(made).backend

    bench = Bench(tmp_path)
    bench.reconciler.backend = BackendSelector(find, lambda: None)
    first = bench.look()
    # The firewall is found in the pass, and what it can hold is known before rules are made.
    assert first.rejected == ()
    assert first.result is Result.REPAIRED
    assert first.backend == f"firewalld-{bed.backend}"
    assert {r.cause for r in first.repairs} == {Cause.CONFIG}
    for _ in range(3):
        assert bench.look().repairs == ()
    where = "--policy=lvsmarkd" if placement == "policy" else "--zone=public"
    for harm in ((), ("--permanent",)):
        bed.cmd(*harm, where, f"--remove-rich-rule={OURS}")
        report = bench.look()
        assert report.result is Result.REPAIRED
        assert [r.cause for r in report.repairs] == [Cause.DRIFT]
        assert bench.look().repairs == ()
    FirewalldGround(bed, find(), placement).delete_in_kernel()
    assert bench.look().result is Result.REPAIRED
    assert bench.look().repairs == ()
    bed.stop()
    report = bench.look()
    assert {f.kind for f in report.left.findings} == {Kind.BROKEN}
    assert "systemctl start firewalld" in report.left.findings[0].message
    assert report.repairs == ()
    bed.start()
    report = bench.look()
    assert report.repairs == ()
    assert all(state.covered for state in report.services)
    bench.conf.write_text("global_defs {\n    router_id lb1\n}\n")
    bench.look()
    bench.now += 60
    bench.look()
    assert OURS not in bed.cmd(where, "--list-rich-rules", check=False)
    assert "lvsmarkd" not in bed.cmd("--permanent", "--get-policies")
    assert bench.look().repairs == ()


@pytest.mark.parametrize("content", ["<policy><broken", "", '<?xml version="1.0"?><policy/>'])
def test_a_broken_file_of_our_policy_is_told_and_written_anew_before_anybody_reloads(
    real_firewalld: RealFirewalld, tmp_path: Path, opened: ExitStack, content: str
) -> None:
    bed = real_firewalld
    ground = opened.enter_context(firewalld_ground(bed, tmp_path / "state", "policy"))
    bench = Bench(tmp_path)
    bench.reconciler.backend = ground.backend
    bench.look()
    assert bench.look().repairs == ()
    file = bed.etc / "policies" / "lvsmarkd.xml"
    file.write_text(content)
    report = bench.look()
    assert any(str(file) in finding.message for finding in report.found.findings)
    assert {repair.step.chain_key.plane for repair in report.repairs} == {Plane.PERMANENT}
    assert bench.look().repairs == ()
    bed.cmd("--reload")
    bed.stop()
    bed.start()
    assert OURS in bed.cmd("--policy=lvsmarkd", "--list-rich-rules")
    assert bench.look().repairs == ()
