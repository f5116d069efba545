"""What a keepalived was built without, it reads as if it were no word of its own.

That is not put to a real one here, since distributions build with all of this; it was, with
keepalived 2.2.8 and 2.4.3 built without BFD, regular expressions and SNMP.
"""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.running import Build, BuildOption
from tests.keepalived.cases import CONFIG_ID, Case, automatic, grouped, server

BFD = """\
virtual_server fwmark 21 {
 ip_family inet
 real_server 2001:db8::7 80 {
  BFD_CHECK {
   name b
  }
  lvs_method TUN
 }
}
"""
"""The block that is none ends the real_server, whose family then does not fit."""

EACH = "virtual_server_group G {\n 192.0.2.1 80\n}\n" + grouped("G")


def read_by(text: str, directory: Path, *lacks: BuildOption) -> Reading:
    dialect = Dialect(Build((2, 4, 3), frozenset(lacks)))
    return read(Case("", text).write(directory), CONFIG_ID, dialect=dialect)


def marks(reading: Reading) -> set[int]:
    return {service.key.mark for service in reading.services}


def test_without_bfd_its_check_moves_the_ends_of_blocks(tmp_path: Path) -> None:
    assert marks(read_by(BFD + server(8), tmp_path)) == {21, 8}
    assert marks(read_by(BFD + server(8), tmp_path, BuildOption.BFD)) == {8}


def test_without_nftables_no_mark_is_handed_out(tmp_path: Path) -> None:
    text = automatic("nftables_ipvs") + EACH
    with_it = read_by(text, tmp_path).reserved
    assert with_it is not None
    assert with_it.marks
    assert read_by(text, tmp_path, BuildOption.NFTABLES).reserved is None


def test_without_nftables_its_words_may_lack_a_word(tmp_path: Path) -> None:
    text = automatic("nftables_ipvs_priority") + server(8)
    assert marks(read_by(text, tmp_path)) == set()
    assert marks(read_by(text, tmp_path, BuildOption.NFTABLES)) == {8}


def test_without_vrrp_what_is_in_its_blocks_stands_outside(tmp_path: Path) -> None:
    text = "vrrp_instance A {\n" + server(21) + "}\n" + server(8)
    assert marks(read_by(text, tmp_path)) == {8}
    assert marks(read_by(text, tmp_path, BuildOption.VRRP)) == {21, 8}


def test_without_lvs_nothing_is_programmed_and_that_is_said(tmp_path: Path) -> None:
    reading = read_by(server(8), tmp_path, BuildOption.LVS)
    assert not reading.services
    assert any("without LVS" in problem.message for problem in reading.problems)


@pytest.mark.parametrize(
    ("version", "known"), [((2, 3, 4), False), ((2, 4, 0), True)], ids=["before", "since"]
)
def test_a_block_that_came_with_a_version_moves_the_ends_of_others_before(
    version: tuple[int, int, int], known: bool, tmp_path: Path
) -> None:
    text = (
        "vrrp_instance A {\n interface eth0\n auth_hmac {\n key 1 abc\n }\n"
        " virtual_ipaddress {\n 192.0.2.1\n }\n}\n"
    )
    reading = read(
        Case("", text).write(tmp_path), CONFIG_ID, dialect=Dialect(Build(version, frozenset()))
    )
    (instance,) = reading.instances
    assert bool(instance.vips) is known
