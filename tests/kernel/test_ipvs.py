"""The reader of IPVS, on what real kernels answered, and on the kernel that is here."""

import errno
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lvsmarkd.kernel import ipvs
from lvsmarkd.kernel.ipvs import ipvs_family, kernel_services, services_of, settled
from lvsmarkd.kernel.netlink import Dump, NetlinkError, read_dump
from lvsmarkd.kernel.proc_ip_vs import read_proc, services_in_proc
from lvsmarkd.model.ipvs import LoadedIpvs, NoIpvs, in_ipvs
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.unknown import Unknown
from tests.kernel.captured import FAMILIES, NAMES, SERVICES, captured, keys

LOADED = [name for name in NAMES if name != "none"]


def test_a_kernel_without_ip_vs_has_no_such_family() -> None:
    assert ipvs_family(read_dump(captured("none").answering(FAMILIES), FAMILIES)) is None


@pytest.mark.parametrize("name", LOADED)
def test_the_services_of_a_real_kernel(name: str) -> None:
    kernel = captured(name)
    assert ipvs_family(read_dump(kernel.answering(FAMILIES), FAMILIES)) is not None

    answer = read_dump(kernel.answering(SERVICES), SERVICES)

    assert services_of(answer).services == kernel.services


def test_many_services_come_in_several_datagrams() -> None:
    answer = read_dump(captured("many").answering(SERVICES), SERVICES)
    assert (answer.datagrams, len(answer.bodies), answer.interrupted) == (4, 300, False)


def test_answers_to_other_questions_are_passed_over() -> None:
    kernel = captured("mixed")
    both = chain(kernel.answering(FAMILIES), kernel.answering(SERVICES))
    assert services_of(read_dump(both, SERVICES)).services == kernel.services


def test_an_answer_that_breaks_off_is_not_taken_for_the_whole() -> None:
    *most, _end = captured("many").answering(SERVICES)
    with pytest.raises(NetlinkError, match="breaks off"):
        read_dump(iter(most), SERVICES)


@given(at=st.integers(0, 2975), bits=st.integers(1, 255))
@example(at=60, bits=110)  # a port of hundreds of bytes
def test_a_damaged_answer_is_read_or_refused(at: int, bits: int) -> None:
    first, end = captured("mixed").answering(SERVICES)
    damaged = bytearray(first)
    damaged[at] ^= bits
    try:
        services_of(read_dump(iter((bytes(damaged), end)), SERVICES))
    except (NetlinkError, OSError):
        return


def test_an_error_of_the_kernel_is_an_oserror() -> None:
    refusal = bytes.fromhex("24000000 0200 0000 02000000 00000000 ffffffff") + bytes(16)
    with pytest.raises(PermissionError):
        read_dump(iter((refusal,)), SERVICES)


def _dumps(*looks: frozenset[int]) -> list[Dump]:
    """Answers of three datagrams each, with these marks of IPv4."""
    answer = read_dump(captured("many").answering(SERVICES), SERVICES)
    of_mark = dict(zip(range(1001, 1301), sorted(answer.bodies, key=_mark_in), strict=True))
    return [Dump(tuple(of_mark[mark] for mark in look), 4, interrupted=False) for look in looks]


def _mark_in(body: bytes) -> int:
    (key,) = services_of(Dump((body,), 1, interrupted=False)).services
    return key.mark


ALL = frozenset(range(1001, 1301))


@pytest.mark.parametrize(
    ("looks", "marks"),
    [
        ((ALL, ALL), ALL),
        ((ALL - {1007}, ALL, ALL), ALL),
        ((ALL, ALL - {1300}, ALL - {1300}), ALL - {1300}),
    ],
)
def test_a_table_that_changes_is_read_until_it_is_twice_the_same(
    looks: tuple[frozenset[int], ...], marks: frozenset[int]
) -> None:
    answers = iter(_dumps(*looks))

    found = settled(lambda: next(answers))

    assert found == LoadedIpvs(frozenset(ServiceKey(Family.INET, mark) for mark in marks))
    assert next(answers, None) is None


def test_a_table_that_never_settles_is_unknown() -> None:
    answers = iter(_dumps(ALL, ALL - {1001}, ALL))
    assert isinstance(settled(lambda: next(answers)), Unknown)


@pytest.mark.parametrize(
    ("name", "sure", "unsure"),
    [
        ("empty", "", set()),
        # 81 and 84 show nothing of their family; 4294967295 a netmask that only IPv4 has.
        ("mixed", "inet 80, inet6 80, inet 82, inet 83, inet 85, inet 4294967295", {81, 84}),
        # Tunnels lead to either family.
        ("keepalived", "inet 80, inet6 80, inet 2000", {5, 6}),
    ],
)
def test_the_services_that_proc_lists(name: str, sure: str, unsure: set[int]) -> None:
    text = captured(name).proc
    assert text is not None
    found = read_proc(text)
    assert isinstance(found, LoadedIpvs)
    assert (found.services, found.unsure) == (keys(sure), frozenset(unsure))


def test_what_proc_tells_is_what_netlink_tells() -> None:
    for name in LOADED:
        kernel = captured(name)
        if kernel.proc is None:
            continue
        listed = read_proc(kernel.proc)
        assert isinstance(listed, LoadedIpvs)
        assert listed.services <= kernel.services
        told = services_of(read_dump(kernel.answering(SERVICES), SERVICES))
        assert listed.addresses == told.addresses
        assert all(in_ipvs(listed, key) is not False for key in kernel.services)


def test_services_by_address_are_told_with_protocol_and_port() -> None:
    answer = read_dump(captured("mixed").answering(SERVICES), SERVICES)
    told = sorted(map(str, services_of(answer).addresses))
    assert told == ["10.1.0.100 tcp 8080", "2001:db8::1 udp 53"]


def test_an_odd_listing_is_unknown(tmp_path: Path) -> None:
    text = captured("mixed").proc
    assert text is not None
    for odd in ("", "FWM  00000050 rr \n", text.replace("FWM  00000051", "FWM  51"), text[60:]):
        assert isinstance(read_proc(odd), Unknown)
    binary = tmp_path / "ip_vs"
    binary.write_bytes(b"\xff\xfe")
    assert isinstance(services_in_proc(binary), Unknown)


def test_a_long_listing_is_read_twice(tmp_path: Path) -> None:
    text = captured("mixed").proc
    assert text is not None
    listing = tmp_path / "ip_vs"
    services = "".join(f"FWM  {mark:08X} rr persistent 75000 FFFFFFFF\n" for mark in range(1, 301))
    listing.write_text("".join(text.splitlines(keepends=True)[:3]) + services)

    found = services_in_proc(listing)

    assert found == LoadedIpvs(frozenset(ServiceKey(Family.INET, mark) for mark in range(1, 301)))


def test_a_missing_listing_is_no_ipvs_only_where_others_would_be(tmp_path: Path) -> None:
    assert services_in_proc(tmp_path / "ip_vs") == NoIpvs()
    assert isinstance(services_in_proc(tmp_path / "net" / "ip_vs"), Unknown)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EAFNOSUPPORT])
def test_where_netlink_is_refused_proc_is_read(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_protocol: int, _timeout: float) -> None:
        raise OSError(code, "refused")

    text = captured("keepalived").proc
    assert text is not None
    (tmp_path / "ip_vs").write_text(text)
    monkeypatch.setattr(ipvs, "NetlinkSocket", refuse)

    found = kernel_services(proc=tmp_path / "ip_vs")

    assert isinstance(found, LoadedIpvs)
    assert (found.services, found.unsure) == (
        keys("inet 80, inet6 80, inet 2000"),
        frozenset({5, 6}),
    )


def test_a_kernel_that_does_not_answer_in_time_is_unknown(tmp_path: Path) -> None:
    found = kernel_services(timeout=0, proc=tmp_path / "ip_vs")
    assert found == Unknown("the kernel does not tell what IPVS holds: timed out")


def test_whether_a_service_is_there_may_be_unknown() -> None:
    key, other = ServiceKey(Family.INET, 5), ServiceKey(Family.INET6, 5)
    loaded = LoadedIpvs(frozenset({key}), frozenset({6}))
    assert (in_ipvs(loaded, key), in_ipvs(loaded, other)) == (True, False)
    assert in_ipvs(loaded, ServiceKey(Family.INET, 6)) is None
    assert in_ipvs(NoIpvs(), key) is False
    assert in_ipvs(Unknown(""), key) is None


@pytest.mark.netns
def test_the_kernel_that_is_here_is_asked_without_loading_a_module(netns: None) -> None:
    loaded = Path("/proc/thread-self/net/ip_vs").exists()

    found = kernel_services()

    assert Path("/proc/thread-self/net/ip_vs").exists() is loaded
    assert found == (LoadedIpvs() if loaded else NoIpvs())
