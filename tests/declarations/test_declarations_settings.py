"""lvsmarkd.toml and conf.d."""

import glob
import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.declarations import port_ranges
from lvsmarkd.declarations.checking import faults
from lvsmarkd.declarations.settings import ConfigError, Loaded, MetricsSettings, Settings, load
from lvsmarkd.declarations.tables import (
    BackendChoice,
    Daemon,
    Document,
    Firewall,
    Firewalld,
    Iptables,
    JumpPosition,
    Keepalived,
    Placement,
    Undeclared,
)
from lvsmarkd.model.declaration import Declaration
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.report import Mode
from tests.declarations.strategies import declarations
from tests.declarations.toml_text import toml_text
from tests.harness.values import qualified

EVERY_KEY = """
[keepalived]
config = "/etc/keepalived/other.conf"
config_id = "left"
[firewall]
backend = "iptables"
undeclared = "infer"
vrrp_accept = false
local = true
[firewall.iptables]
position = "last"
[firewall.firewalld]
placement = "zone"
zones = ["public", "dmz"]
[daemon]
mode = "observe"
resync_seconds = 5
linger_seconds = 0.5
[metrics]
listen = ["[::1]:10965", "192.0.2.1:9100", "[::1]:10965"]
[[mark]]
fwmark = 80
to = ["192.0.2.10", "2001:db8::10", "VI_1"]
ports = ["tcp/80", "tcp/443,444", "udp/10000-20000"]
accept = true
not_from_mac = ["52-54-00-12-34-56"]
in_interface = "eth0"
[[mark]]
fwmark = 0x51
to = "VI_1"
not_from_mac = "52:54:00:12:34:56"
"""


def _written(directory: Path, text: str, name: str = "lvsmarkd.toml") -> Path:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def _problems(path: Path, *, required: bool = True) -> tuple[Problem, ...]:
    """What is refused: of ``[[mark]]`` tables alone, or all of it."""
    try:
        return load(path, required=required).refused
    except ConfigError as refused:
        return refused.problems


def _problem(path: Path, *, required: bool = True) -> Problem:
    (problem,) = _problems(path, required=required)
    return problem


def test_every_key_arrives(tmp_path: Path) -> None:
    path = _written(tmp_path, EVERY_KEY)
    loaded = load(path, required=True)
    assert loaded.settings == Settings(
        Keepalived("/etc/keepalived/other.conf", "left"),
        Firewall(
            BackendChoice.IPTABLES,
            Undeclared.INFER,
            vrrp_accept=False,
            local=True,
            iptables=Iptables(JumpPosition.LAST),
            firewalld=Firewalld(Placement.ZONE, ("public", "dmz")),
        ),
        Daemon(Mode.OBSERVE, 5, 0.5),
        MetricsSettings((("::1", 10965), ("192.0.2.1", 9100))),
    )
    assert loaded.declarations == (
        Declaration(
            80,
            (ip_network("192.0.2.10"), ip_network("2001:db8::10"), "VI_1"),
            (*port_ranges.entry("tcp/80,443-444"), *port_ranges.entry("udp/10000-20000")),
            Origin(str(path), 21, "mark[0]"),
            accept=True,
            qualifiers=qualified("eth0", ("52:54:00:12:34:56",)),
        ),
        Declaration(
            81,
            ("VI_1",),
            (),
            Origin(str(path), 28, "mark[1]"),
            qualifiers=qualified(None, ("52:54:00:12:34:56",)),
        ),
    )


def test_enumerations_are_members_and_settings_are_frozen(tmp_path: Path) -> None:
    settings = load(_written(tmp_path, EVERY_KEY), required=True).settings
    assert settings.daemon.mode is Mode.OBSERVE
    assert settings.firewall.undeclared is Undeclared.INFER
    with pytest.raises(AttributeError):
        settings.daemon.mode = Mode.ENFORCE  # type: ignore[misc]  # the case itself


def test_a_missing_file_gives_the_defaults_and_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "lvsmarkd.toml"
    loaded = load(path, required=False)
    assert loaded == replace(Loaded(), lookups=loaded.lookups)
    settings = loaded.settings
    assert settings.firewall == Firewall(BackendChoice.AUTO, Undeclared.REPORT, vrrp_accept=True)
    assert (settings.daemon.resync_seconds, settings.daemon.linger_seconds) == (60, 5.0)
    assert settings.metrics.listen == (("127.0.0.1", 10965),)
    _written(tmp_path, "")
    assert [match for pattern in loaded.lookups for match in glob.glob(pattern)] == [str(path)]  # noqa: PTH207 - as its user does


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(_written(tmp_path, ""), required=True).settings == Settings()


def test_a_missing_file_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    assert "found no such file" in str(_problem(tmp_path / "lvsmarkd.toml"))


def test_an_empty_list_switches_the_metrics_off(tmp_path: Path) -> None:
    path = _written(tmp_path, "metrics.listen = []")
    assert load(path, required=True).settings.metrics.listen == ()


def test_a_target_or_a_mac_address_written_twice_counts_once(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "[[mark]]\nfwmark = 1\nto = ['b', '::1', 'b', '0::1']\n"
        "not_from_mac = ['52-54-00-AB-CD-EF', '52:54:00:ab:cd:ef', '02:00:00:00:00:00']\n",
    )
    (declaration,) = load(path, required=True).declarations
    assert declaration.to == ("b", ip_network("::1"))
    assert declaration.qualifiers == qualified(None, ("02:00:00:00:00:00", "52:54:00:ab:cd:ef"))


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = _written(tmp_path, "\ufeff[daemon]\nmode = 'observe'\n")
    assert load(path, required=True).settings.daemon.mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("text", "key", "fragments"),
    [
        ("firewal = 1", "firewal", ['found "firewal"', 'did you mean "firewall"?']),
        ("zebra = 1", "zebra", ['"keepalived", "firewall", "daemon", "metrics" or "mark"']),
        ("firewall = 1", "firewall", ["found 1, expected a table [firewall]"]),
        ("[firewall]\nundeclard = 'x'", "firewall.undeclard", ['did you mean "undeclared"?']),
        ("[firewall]\nundeclared = 'inferr'", "firewall.undeclared", ['did you mean "infer"?']),
        ("[firewall]\nbackend = 1", "firewall.backend", ["found 1", '"auto", "iptables"']),
        ("[firewall]\nlocal = 'yes'", "firewall.local", ['found "yes", expected true or false']),
        ("[firewall]\nlocal = 1", "firewall.local", ["found 1, expected true or false"]),
        ("[firewall.iptables]\nposition = 1", "firewall.iptables.position", ['"first" or "last"']),
        ("[firewall]\niptables = []", "firewall.iptables", ["[firewall.iptables]"]),
        ("[firewall.firewalld]\nzones = 'a'", "firewall.firewalld.zones", ['write ["a"]']),
        ("[firewall.firewalld]\nzones = ['a', 2]", "firewall.firewalld.zones[1]", ["found 2"]),
        ("[keepalived]\nconfig = 'a.conf'", "keepalived.config", ["absolute path"]),
        ('[keepalived]\nconfig = "/a\\u0000"', "keepalived.config", ["absolute path"]),
        ("[keepalived]\nconfig_id = ''", "keepalived.config_id", ['found ""']),
        ("[daemon]\nmode = 'paused'", "daemon.mode", ['expected "enforce" or "observe"']),
        ("[daemon]\nresync_seconds = 0", "daemon.resync_seconds", ["1 to 86400"]),
        ("[daemon]\nresync_seconds = true", "daemon.resync_seconds", ["found true"]),
        ("[daemon]\nresync_seconds = nan", "daemon.resync_seconds", ["found nan"]),
        ("[daemon]\nresync_seconds = inf", "daemon.resync_seconds", ["found inf"]),
        ("[daemon]\nresync_seconds = '60'", "daemon.resync_seconds", ['found "60"']),
        ("[daemon]\nresync_seconds = 2020-01-01", "daemon.resync_seconds", ["found 2020-01-01"]),
        ("[daemon]\nlinger_seconds = -1", "daemon.linger_seconds", ["0 to 86400"]),
        ("[metrics]\nlisten = '[::1]:1'", "metrics.listen", ['write ["[::1]:1"]']),
        ("[metrics]\nlisten = ['::1:1']", "metrics.listen[0]", ['write "[::1]:1"']),
        ("[mark]\nfwmark = 1", "mark", ["write [[mark]]"]),
        ("mark = [1]", "mark[0]", ["found 1, expected a table"]),
        ("[[mark]]\nto = 'VI_1'", "mark[0].fwmark", ["found nothing", "1 to 4294967295"]),
        ("[[mark]]\nfwmark = 1", "mark[0].to", ["found nothing, expected an IPv4"]),
        ("[[mark]]\nfwmark = 1\nto = []", "mark[0].to", ["empty list", "at least one"]),
        ("[[mark]]\nfwmark = 1\nto = 1", "mark[0].to", ["found 1"]),
        ("[[mark]]\nfwmark = 1\nto = ['a', 1]", "mark[0].to[1]", ["found 1"]),
        ("[[mark]]\nfwmark = 1\nto = {}", "mark[0].to", ["found a table"]),
        ("[[mark]]\nfwmark = '0x50'\nto = 'a'", "mark[0].fwmark", ["write 80"]),
        ("[[mark]]\nfwmark = true\nto = 'a'", "mark[0].fwmark", ["found true"]),
        ("[[mark]]\nfwmark = 0\nto = 'a'", "mark[0].fwmark", ["packet without a mark"]),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nports = []", "mark[0].ports", ["no `ports`"]),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nports = 'tcp/1'", "mark[0].ports", ['["tcp/1"]']),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nports = [1]", "mark[0].ports[0]", ["found 1"]),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nports = ['tcp', '80/tcp']", "mark[0].ports[1]", ["80"]),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nnot-from-mac = 'x'", "mark[0].not-from-mac", ["from_"]),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nnot_from_mac = ['x']", "mark[0].not_from_mac[0]", []),
        ("[[mark]]\nfwmark = 1\nto = 'a'\nin_interface = 'e+'", "mark[0].in_interface", ["wild"]),
        ("[[mark]]\nfwmark = 1\nto = 'a'\naccept = 'no'", "mark[0].accept", ["true or false"]),
    ],
)
def test_a_wrong_value_is_named_with_its_key(
    tmp_path: Path, text: str, key: str, fragments: list[str]
) -> None:
    path = _written(tmp_path, text)
    problem = _problem(path)
    assert problem.origin == Origin(str(path), int("[[mark]]" in text), key)
    assert problem.message.startswith("found ")
    assert "expected" in problem.message or "no setting" in problem.message
    for fragment in fragments:
        assert fragment in problem.message


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "[daemon]\nmode = 'x'\nsync = 1\n[[mark]]\nfwmark = 0\nto = '1.2.3'\nports = ['80', 'x']",
    )
    _written(tmp_path, "[daemon\n", "conf.d/a.toml")
    _written(tmp_path, "[firewall]\nbackend = 'pf'\n", "conf.d/b.toml")
    keys = [(Path(each.origin.file).name, each.origin.key) for each in _problems(path)]
    assert sorted(keys) == sorted(
        [
            ("a.toml", ""),
            ("b.toml", "firewall.backend"),
            ("lvsmarkd.toml", "daemon.mode"),
            ("lvsmarkd.toml", "daemon.sync"),
        ]
    )


def test_a_wrong_mark_table_refuses_no_other_one(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        "[[mark]]\nfwmark = 80\nto = 'VI_1'\n\n"
        "[[mark]]\nfwmark = 81\nto = '1.2.3'\nports = ['80', 'x']\n\n"
        "[[mark]]\nfwmark = 0\nto = 'VI_1'\n",
    )
    loaded = load(path, required=True)

    assert [declaration.mark for declaration in loaded.declarations] == [80]
    assert [(p.origin.line, p.origin.key, p.marks) for p in loaded.refused] == [
        (5, "mark[1].to", (81,)),
        (5, "mark[1].ports[0]", (81,)),
        (5, "mark[1].ports[1]", (81,)),
        (10, "mark[2].fwmark", ()),
    ]
    assert all(problem.fatal for problem in loaded.refused)


@pytest.mark.parametrize(
    ("content", "line", "fragment"),
    [
        (b"[daemon]\nmode observe\n", 2, 'found "mode observe", expected TOML'),
        (b"[daemon]\nmode = 'observe\n", 2, 'found "mode = \'observe"'),
        (b"[daemon]\n[metrics]\nlisten = [\n", 3, 'found "listen = ["'),
        (b"[daemon]\n[daemon]\n", 2, "expected TOML"),
        (b"[daemon]\nmode = 'enforce'\nmode = 'observe'\n", 3, "expected TOML"),
        (b"[daemon]\n# \xff\n", 2, "found the byte 0xff, expected UTF-8"),
        (b"a = " + b"[" * 100_000, 0, "nested"),
        (b"a = " + b"9" * 5000, 0, "expected TOML"),
        (b"a = 1\0", 1, "expected TOML"),
    ],
)
def test_what_is_no_toml_is_named_with_its_line(
    tmp_path: Path, content: bytes, line: int, fragment: str
) -> None:
    path = tmp_path / "lvsmarkd.toml"
    path.write_bytes(content)
    problem = _problem(path)
    assert problem.origin == Origin(str(path), line)
    assert fragment in problem.message


def test_what_is_no_file_is_refused_and_never_blocks(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "found something that is no regular file" in _problem(fifo).message
    assert "found a directory" in _problem(tmp_path).message
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in _problem(loop, required=False).message
    below = _written(tmp_path, "") / "lvsmarkd.toml"
    assert "Not a directory" in str(_problems(below))


def test_drop_ins_are_read_in_order_and_marks_come_from_all(tmp_path: Path) -> None:
    path = _written(tmp_path, "[daemon]\nmode = 'observe'\n[[mark]]\nfwmark = 1\nto = 'a'\n")
    b = _written(tmp_path, "[[mark]]\nfwmark = 3\nto = 'a'\n", "conf.d/b.toml")
    a = _written(
        tmp_path, "[daemon]\nlinger_seconds = 1\n[[mark]]\nfwmark = 2\nto = 'a'\n", "conf.d/a.toml"
    )
    loaded = load(path, required=True)
    assert loaded.files == (str(path), str(a), str(b))
    assert loaded.settings.daemon == Daemon(Mode.OBSERVE, linger_seconds=1)
    assert [(each.mark, each.origin.file) for each in loaded.declarations] == [
        (1, str(path)),
        (2, str(a)),
        (3, str(b)),
    ]


def test_drop_ins_count_without_the_main_file(tmp_path: Path) -> None:
    one = _written(tmp_path, "[daemon]\nmode = 'observe'\n", "conf.d/one.toml")
    loaded = load(tmp_path / "lvsmarkd.toml", required=False)
    assert loaded.settings.daemon.mode is Mode.OBSERVE
    assert loaded.files == (str(one),)


def test_hidden_files_other_names_and_what_is_no_file_are_left_out(tmp_path: Path) -> None:
    for name in (".hidden.toml", "a.toml~", "a.toml.dpkg-new", "a.conf"):
        _written(tmp_path, "broken", f"conf.d/{name}")
    (tmp_path / "conf.d/dir.toml").mkdir()
    os.mkfifo(tmp_path / "conf.d/fifo.toml")
    assert load(tmp_path / "lvsmarkd.toml", required=False).files == ()


def test_a_drop_in_that_leads_nowhere_is_missed(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    link = tmp_path / "conf.d/a.toml"
    link.symlink_to(tmp_path / "gone")
    assert _problem(tmp_path / "lvsmarkd.toml", required=False).origin.file == str(link)


def test_drop_ins_that_cannot_be_listed_are_not_taken_for_none(tmp_path: Path) -> None:
    path = _written(tmp_path, "")
    _written(tmp_path, "", "conf.d")
    assert "cannot be read" in _problem(path).message


def test_a_setting_in_two_files_is_refused_with_both_names(tmp_path: Path) -> None:
    path = _written(tmp_path, "[firewall.iptables]\nposition = 'first'\n")
    other = _written(tmp_path, "firewall.iptables.position = 'first'\n", "conf.d/a.toml")
    problem = _problem(path)
    assert problem.origin == Origin(str(other), key="firewall.iptables.position")
    assert str(path) in problem.message


def test_a_value_in_one_file_and_a_table_in_another_is_a_problem(tmp_path: Path) -> None:
    path = _written(tmp_path, "firewall = 1\n")
    _written(tmp_path, "[firewall]\nlocal = true\n", "conf.d/a.toml")
    assert _problem(path).origin == Origin(str(path), key="firewall")


def test_lookups_are_absolute_and_match_only_the_directory_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "a[b]*"
    directory.mkdir()
    drop_in = _written(directory, "", "conf.d/a.toml")
    monkeypatch.chdir(directory)
    loaded = load(Path("lvsmarkd.toml"), required=False)
    assert [match for pattern in loaded.lookups for match in glob.glob(pattern)] == [str(drop_in)]  # noqa: PTH207 - as its user does


@given(st.lists(declarations, max_size=3))
def test_what_is_rendered_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, written: list[Declaration]
) -> None:
    path = tmp_path_factory.getbasetemp() / "rendered" / "lvsmarkd.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(toml_text, written)), encoding="utf-8")
    read = load(path, required=True).declarations
    assert [replace(each, origin=Origin("")) for each in read] == [
        replace(each, origin=Origin("")) for each in written
    ]


_scalars = st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=9))
_keys = st.sampled_from(["firewall", "daemon", "metrics", "mark", "fwmark", "to", "ports", "?"])
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(_keys, _values, max_size=4))
def test_no_value_raises(found: dict[str, object]) -> None:
    for fault in faults(found, Document):
        assert fault.message.startswith("found ")


@given(st.binary())
def test_no_content_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    try:
        load(path, required=True)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - both outcomes are good, this is about the third
