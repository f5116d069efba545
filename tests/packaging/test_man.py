"""The manual pages name every command, option and setting, and are well-formed."""

import re
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.cli.main import parser
from lvsmarkd.declarations.settings import Settings, load
from lvsmarkd.declarations.tables import (
    Daemon,
    Firewall,
    Firewalld,
    Iptables,
    Keepalived,
    MarkTable,
    MetricsTable,
)

PLACE = Path(__file__).parent.parent.parent / "packaging" / "man"
COMMAND = (PLACE / "lvsmarkd.8").read_text()
SETTINGS = (PLACE / "lvsmarkd.toml.5").read_text()
COMMANDS = re.findall(r"^    ([a-z]+) ", parser().format_help(), re.MULTILINE)
TABLES = {
    "keepalived": Keepalived,
    "firewall": Firewall,
    "firewall.iptables": Iptables,
    "firewall.firewalld": Firewalld,
    "daemon": Daemon,
    "metrics": MetricsTable,
    "[mark]": MarkTable,
}
EXAMPLE = (PLACE.parent / "examples" / "lvsmarkd.toml").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_its_options_are_told(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([name, "--help"])
    assert f".It Cm {name}\n" in COMMAND
    for option in set(re.findall(r"--[a-z-]+", capsys.readouterr().out)):
        assert f"Fl {option[1:]}" in COMMAND, option


@pytest.mark.parametrize(("table", "kind"), TABLES.items())
def test_each_setting_is_told(table: str, kind: type) -> None:
    part = SETTINGS.partition(f".Ss [{table}]\n")[2].partition("\n.S")[0]
    example = re.split(rf"(?m)^#?\[{re.escape(table)}\]$", EXAMPLE)[1]
    example = re.split(r"(?m)^#?\[", example)[0]
    for key in kind.__annotations__.keys() - {"iptables", "firewalld"}:
        assert f".It Li {key} = " in part, key
        assert f"\n#{key} = " in example, key


def test_the_example_is_followed_and_says_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "lvsmarkd.toml"
    file.write_text(re.sub(r"(?m)^#(?=[a-z\[])", "", EXAMPLE))
    loaded = load(file, required=True)
    assert loaded.refused == ()
    assert len(loaded.declarations) == 1
    assert replace(loaded.settings, keepalived=Keepalived()) == Settings()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["lvsmarkd.8", "lvsmarkd.toml.5"])
def test_mandoc_has_nothing_to_say(page: str) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(PLACE / page)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
