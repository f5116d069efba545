"""The real daemon beside the real keepalived: its file, its options, its reloads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.control import MAIL, WEB
from tests.harness.daemon import Daemon, until
from tests.harness.keepalived import Keepaliveds
from tests.harness.netns import run

pytestmark = pytest.mark.netns


@pytest.fixture
def daemon(netns: None, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "d").mkdir()
    with Daemon(tmp_path / "d", metrics=10965) as made:
        made.toml.write_text(
            '[metrics]\nlisten = ["127.0.0.1:10965"]\n[daemon]\nlinger_seconds = 1\n'
        )
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def marks() -> set[str]:
    listing = run("iptables-save", "-t", "mangle").splitlines()
    return {x.split('"lvsmarkd fwmark ')[1].split('"')[0] for x in listing if "-A LVSMARKD" in x}


def test_the_file_options_and_reloads_of_the_running_keepalived_count(
    daemon: Daemon, keepaliveds: Keepaliveds, tmp_path: Path
) -> None:
    conf = tmp_path / "lb.conf"
    conf.write_text(WEB + "@left " + MAIL.replace("\n", "\n@left ").removesuffix("@left "))
    with keepaliveds.running(conf, "--check", "--config-id", "left") as director:
        daemon.start()
        until(lambda: marks() == {"80", "25"}, "the marks of its file, by its id", 5)
        assert str(conf) in daemon.ask("marks", "--config", str(daemon.toml))[1]

        conf.write_text(WEB)
        with pytest.raises(AssertionError, match="in vain"):
            until(lambda: marks() == {"80"}, "what it has read stays in force", 3)
        page = daemon.page()
        assert 'lvsmarkd_mark_service_configured{family="inet",mark="25"} 0.0' in page
        assert 'lvsmarkd_watch_up{watcher="keepalived"} 1.0' in page

        director.reload()
        until(lambda: marks() == {"80"}, "the rules go once it has read the new file", 8)

        conf.write_text(WEB + MAIL)
        until(lambda: marks() == {"80", "25"}, "rules come when the file is saved", 5)
    daemon.stop()


def test_a_keepalived_that_starts_later_is_followed_from_then_on(
    daemon: Daemon, keepaliveds: Keepaliveds, tmp_path: Path
) -> None:
    daemon.start()
    assert marks() == set()
    conf = tmp_path / "lb.conf"
    conf.write_text(WEB)
    with keepaliveds.running(conf, "--check"):
        until(lambda: marks() == {"80"}, "the marks of its file", 8)


def test_a_keepalived_that_ends_is_seen_in_the_metrics(
    daemon: Daemon, keepaliveds: Keepaliveds, tmp_path: Path
) -> None:
    conf = tmp_path / "lb.conf"
    conf.write_text(WEB)
    with keepaliveds.running(conf, "--check"):
        daemon.start()
        until(lambda: "lvsmarkd_keepalived_running 1.0" in daemon.page(), "the one that runs", 8)
    until(lambda: "lvsmarkd_keepalived_running 0.0" in daemon.page(), "that it is gone", 8)
    assert 'lvsmarkd_keepalived_marks{family="inet"} 1.0' in daemon.page()
