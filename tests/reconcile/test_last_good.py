"""A boot over a keepalived.conf that cannot be followed: what was good last stays in force."""

from errno import ENOSPC
from pathlib import Path
from time import sleep

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.keepalived import Completeness
from lvsmarkd.model.report import Mode, Report
from lvsmarkd.model.rule import Rule
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile import last_good
from lvsmarkd.reconcile.inputs import InputPaths, InputReader
from lvsmarkd.reconcile.last_good import LastGood
from lvsmarkd.reconcile.reconciler import Reconciler
from tests.harness.control import MAIL, WEB
from tests.harness.paper import PaperFirewall

STOPS = "global_defs {\n umask\n}\n"
NAMED = (
    "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n"
    "  192.0.2.10\n }\n}\n" + WEB.replace("192.0.2.10", "VI_1")
)


class Host:
    """Its files, and what a boot leaves of it: no rule, and the directory of its state."""

    def __init__(self, directory: Path) -> None:
        self.conf, self.toml = directory / "keepalived.conf", directory / "lvsmarkd.toml"
        self.kept = directory / "state" / "last-good.json"
        self.conf.write_text(WEB)
        self.toml.write_text(f'[keepalived]\nconfig = "{self.conf}"\n')

    def inputs(self, *, reads: bool = False) -> InputReader:
        inputs = InputReader.open(InputPaths(self.toml))
        inputs.last_good = LastGood(self.kept, reads)
        return inputs

    def boot(self) -> Report:
        self.paper = PaperFirewall()
        self.reconciler = Reconciler(self.inputs(), self.paper)
        return self.look()

    def look(self) -> Report:
        return self.reconciler.run([Wake(Trigger.TIMER)], lambda _settings: Mode.ENFORCE)

    def rules(self) -> set[Rule]:
        chains = self.paper.chains.values()
        return {rule for chain in chains for rule in getattr(chain, "rules", ())}

    def marks(self) -> set[int | None]:
        return {rule.mark for rule in self.rules() if rule.mark is not None}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        STOPS + WEB,
        STOPS,
        WEB + "virtual_server fwmark {\n}\n",
        "includem gone.conf\n",
        WEB[:-3],
        "",
    ],
)
def test_a_file_that_keepalived_does_not_start_with_leaves_what_was_good_before_the_boot(
    host: Host, broken: str
) -> None:
    host.boot()
    host.conf.write_text(broken)
    report = host.boot()

    assert host.marks() == {80}
    assert not report.configuration_valid
    assert [service.key.mark for service in report.services] == [80]


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_cannot_be_read_leaves_it_too(host: Host, *, gone: bool) -> None:
    host.boot()
    host.conf.unlink()
    if not gone:
        host.conf.mkdir()
    host.boot()

    assert host.marks() == {80}


def test_the_addresses_that_a_name_stood_for_are_remembered(host: Host) -> None:
    host.conf.write_text(NAMED)
    host.boot()
    host.conf.write_text("includem gone.conf\n")
    host.boot()

    assert host.marks() == {80}


def test_a_declaration_that_was_broken_before_the_boot_leaves_its_last_good_flows(
    host: Host,
) -> None:
    host.boot()
    host.conf.write_text(WEB.replace("80,443", "80,x") + MAIL)
    report = host.boot()

    assert host.marks() == {80, 25}
    assert [f.kind for f in report.left.findings if f.service is not None] == [Kind.REFUSED]


def test_annotations_that_a_cut_off_file_has_lost_are_remembered_beside_the_one_it_has(
    host: Host,
) -> None:
    first, second = "192.0.2.10 tcp 80,443", "192.0.2.11 tcp 80"
    both = WEB.replace(f"to {first}", f"to {first}\n    # lvsmarkd: to {second}")
    for whole, cut in (
        (both, both.replace(f"    # lvsmarkd: to {second}\n", "").removesuffix("}\n")),
        (f"{WEB}# lvsmarkd: fwmark 80 to {second}\n", WEB + "# lvsmarkd: fwmark 80 to 192.0.2.1"),
    ):
        host.conf.write_text(whole)
        assert host.boot().configuration_valid
        before = host.rules()
        host.conf.write_text(cut)
        assert not host.boot().configuration_valid
        assert host.rules() == before
        host.look()
        assert host.rules() == before


def test_a_whole_file_takes_away_what_it_does_not_hold(host: Host) -> None:
    host.conf.write_text(WEB + MAIL)
    host.boot()
    host.conf.write_text(STOPS)
    host.boot()
    assert host.marks() == {80, 25}

    host.conf.write_text(MAIL)
    assert host.boot().configuration_valid
    assert host.marks() == {25}
    host.conf.write_text(STOPS)
    host.boot()
    assert host.marks() == {25}


def test_what_another_file_said_is_nobodys_last_good_state(host: Host) -> None:
    host.boot()
    other = host.conf.with_name("other.conf")
    other.write_text(STOPS)
    host.toml.write_text(f'[keepalived]\nconfig = "{other}"\n')
    host.boot()

    assert host.marks() == set()


@pytest.mark.parametrize("content", ["", "{", '{"path": 1}', "[]", "\0" * 100])
def test_a_damaged_memory_is_none(host: Host, content: str) -> None:
    host.boot()
    host.kept.write_text(content)
    host.conf.write_text(STOPS)
    host.boot()

    assert host.marks() == set()


def test_a_command_reads_what_is_remembered_and_writes_nothing(host: Host) -> None:
    host.inputs(reads=True).gather()
    assert not host.kept.exists()

    host.boot()
    host.conf.write_text(STOPS)
    seen = host.inputs(reads=True).gather()
    assert seen.reading.completeness is Completeness.SUSPECT
    assert seen.last_good is not None
    assert [service.key.mark for service in seen.last_good.reading.services] == [80]
    assert host.kept.stat().st_mode & 0o777 == 0o600


def test_what_closes_an_address_is_known_over_a_boot_too(tmp_path: Path) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text(
        "static_ipaddress {\n 192.0.2.20\n}\n" + NAMED.replace("}\n}", "}\n no_accept\n}")
    )
    reading = read(conf)
    assert reading.local
    assert reading.instances[0].closing is not None
    assert reading.services[0].nat_servers
    LastGood(tmp_path / "kept").take(reading, conf, None)
    kept = LastGood(tmp_path / "kept").of(conf, None)
    assert kept is not None
    assert (kept.instances, kept.local) == (reading.instances, reading.local)
    assert kept.services[0].nat_servers == reading.services[0].nat_servers


RENUMBERED = WEB.replace("fwmark 80", "fwmark 81")


def test_what_the_file_still_says_comes_before_what_is_remembered(host: Host) -> None:
    host.boot()
    assert host.marks() == {80}
    # An older memory: that a service was renumbered was never written down.
    host.conf.write_text(RENUMBERED[:-3])
    host.boot()
    assert 80 not in host.marks()


def test_of_a_whole_file_only_what_is_refused_is_taken_from_the_memory(host: Host) -> None:
    host.conf.write_text(WEB + MAIL)
    host.boot()
    refused = "# lvsmarkd: fwmark 7 to nonsense,,\n"
    host.conf.write_text(WEB.replace("fwmark 80", "fwmark 81") + refused)
    host.boot()
    assert host.marks() == {81}


def test_one_refused_declaration_keeps_nothing_else_from_being_remembered(host: Host) -> None:
    host.conf.write_text(WEB + MAIL)
    host.boot()
    host.conf.write_text(RENUMBERED + MAIL.replace("to 192.0.2.10", "to nonsense,,"))
    host.boot()
    host.conf.write_text("")
    host.boot()
    assert host.marks() == {81, 25}


def test_what_could_not_be_written_is_written_later(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.boot()
    host.conf.write_text(WEB + MAIL)

    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(last_good, "write_whole", full)
        host.look()
        sleep(0.05)  # once nothing changed within a tick of the clock, the file is not read anew
        host.look()
    assert "fwmark 25" not in host.kept.read_text()
    host.look()
    assert '"mark":25' in host.kept.read_text()


def test_bytes_that_are_no_text_end_no_pass(host: Host) -> None:
    host.conf.write_bytes(b"vrrp_instance VI_\xff {\n interface eth0\n virtual_router_id 1\n"
                          b" virtual_ipaddress {\n 192.0.2.9\n }\n}\n" + WEB.encode())  # fmt: skip
    host.boot()
    assert host.marks() == {80}
    assert not host.kept.exists()


@pytest.mark.parametrize("mark", ["-5", "0", str(2**40)])
def test_what_is_no_mark_is_no_memory(host: Host, mark: str) -> None:
    host.boot()
    text = host.kept.read_text()
    host.kept.write_text(text.replace('"mark":80', f'"mark":{mark}').replace("[80]", f"[{mark}]"))
    host.conf.write_text(WEB[:-3])
    host.boot()
    assert host.marks() <= {80}


def test_a_directory_in_place_of_the_memory_costs_no_descriptor(host: Host) -> None:
    host.kept.mkdir(parents=True)
    host.conf.write_text("")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        host.boot()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
