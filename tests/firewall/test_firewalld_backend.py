"""The firewalld backend against the real firewalld, on a bus and in namespaces of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.firewall.firewalld.adapter import BusFirewalld
from lvsmarkd.firewall.firewalld.backend import FirewalldBackend
from lvsmarkd.firewall.firewalld.backup import Backup
from lvsmarkd.firewall.firewalld.look import Choices
from lvsmarkd.judge.desired import Desired, Policy
from lvsmarkd.judge.verdict import covered, judge
from lvsmarkd.model.plan import Plan
from tests.harness.firewalld import RealFirewalld
from tests.harness.values import declare, flow, instance, key, want

ONE = Policy(slots=1)
WEB = declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443))
WEB6 = declare(80, flow("2001:db8::10", 80), flow("2001:db8::10", 443))
FTP = declare(21, flow("192.0.2.11", 21), flow("192.0.2.11", 10000, 20000), accept=True)


@pytest.fixture(params=["policy", "zone"])
def backend(
    request: pytest.FixtureRequest, real_firewalld: RealFirewalld, tmp_path: Path
) -> Iterator[FirewalldBackend]:
    with BusFirewalld() as firewalld:
        yield FirewalldBackend.open(
            firewalld,
            Backup(tmp_path / "state", real_firewalld.etc),
            Choices(by_policy=request.param == "policy"),
        )


def converge(backend: FirewalldBackend, wanted: Desired) -> Plan:
    seen = backend.observe()
    assert backend.apply(judge(wanted, seen, last=backend.last)).rejected == ()
    return judge(wanted, backend.observe(), last=backend.last)


@pytest.mark.parametrize(
    "wanted",
    [
        want(WEB, policy=ONE),
        want(WEB, WEB6, FTP, policy=ONE),
        want(FTP, instances=(instance("192.0.2.11", "2001:db8::1", ah=True),), policy=ONE),
    ],
)
def test_what_was_written_is_read_back_as_what_was_wanted(
    backend: FirewalldBackend, wanted: Desired
) -> None:
    left = converge(backend, wanted)
    print(*left.findings, sep="\n")
    assert left.steps == ()
    assert all(covered(wanted, backend.observe()).values())
    assert converge(backend, want(policy=ONE)).steps == ()
