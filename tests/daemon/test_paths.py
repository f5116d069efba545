"""The lock, the pause, the control socket."""

import asyncio
import math
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from lvsmarkd.daemon import control, control_server
from lvsmarkd.daemon.pause import Pause
from lvsmarkd.reconcile.paths import LockedError, paths_from_environment, take_lock


def test_only_one_holds_the_lock_and_the_other_is_told_who(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    handle = take_lock(lock)
    with pytest.raises(LockedError, match=f"pid {os.getpid()}") as caught:
        take_lock(lock)
    assert caught.value.pid == str(os.getpid())
    os.close(handle)
    os.close(take_lock(lock))


def test_the_directories_are_those_that_systemd_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    paths = paths_from_environment()
    assert paths.socket == Path("/run/one/control.sock")
    assert paths.state == Path("/var/lib/lvsmarkd")


def test_no_link_is_followed_to_the_lock(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        take_lock(tmp_path / "lock")
    assert victim.read_text() == "theirs"


def test_a_pause_outlives_a_restart_and_ends_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "pause.json"
    Pause(path).begin(1000.0, 60)
    again = Pause(path)
    again.load()
    assert again.active(1059)
    assert not again.active(1060)
    assert path.exists(), "a question changes nothing"
    assert not again.expire(1059)
    assert again.expire(1060)
    assert not path.exists()
    assert not again.expire(1060)


def test_a_pause_without_end_ends_with_resume(tmp_path: Path) -> None:
    pause = Pause(tmp_path / "pause.json")
    pause.begin(1000.0, None)
    again = Pause(pause.path)
    again.load()
    assert again.until == math.inf
    again.end()
    assert not again.active(1000.0)


def test_it_is_told_how_long_a_pause_lasts_yet(tmp_path: Path) -> None:
    pause = Pause(tmp_path / "pause.json")
    assert pause.left(1000.0) is None
    pause.begin(1000.0, 60)
    assert pause.left(1010.0) == 50
    assert pause.left(1061.0) == 0
    pause.begin(1000.0, None)
    assert pause.left(1010.0) is None


NO_PAUSE = ["", "{", "[]", '{"ends_after_boot": "soon"}', "null", '{"ends_after_boot": NaN}']
NO_PAUSE += ['{"ends_after_boot": 1' + 400 * "0" + "}", 9000 * "["]


@pytest.mark.parametrize("content", NO_PAUSE, ids=range(len(NO_PAUSE)))
def test_a_pause_that_says_nothing_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pause.json"
    path.write_text(content)
    pause = Pause(path)
    pause.load()
    assert not pause.active(0.0)


def test_a_pause_that_cannot_be_kept_is_none(tmp_path: Path) -> None:
    pause = Pause(tmp_path / "nowhere" / "pause.json")
    with pytest.raises(OSError, match="pause"):
        pause.begin(1000.0, 60)
    assert not pause.active(1000.0)


def test_no_link_is_followed_and_no_pipe_waited_for_by_a_pause(tmp_path: Path) -> None:
    victim, pause = tmp_path / "victim", Pause(tmp_path / "pause.json")
    victim.write_text('{"ends_after_boot": null}')
    pause.path.symlink_to(victim)
    pause.load()
    assert not pause.active(0.0)
    pause.begin(1000.0, 60)
    assert victim.read_text() == '{"ends_after_boot": null}'
    pause.path.unlink()
    os.mkfifo(pause.path)
    pause.load()
    assert not pause.active(0.0)


async def echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"you said": request}


def test_question_and_answer_over_a_socket_of_roots_own(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("left by a daemon that was killed")

    async def play() -> None:
        server = await control_server.serve(path, echo)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        answer = await asyncio.to_thread(control.ask, path, {"command": "status"})
        assert answer == {"you said": {"command": "status"}}
        server.close()

    asyncio.run(play())


@pytest.mark.parametrize("line", [b"\n", b"[1]\n", b"\xff\n", b"{" * 70000 + b"\n", b""])
def test_nonsense_at_the_socket_harms_nobody(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "control.sock"

    async def play() -> None:
        server = await control_server.serve(path, echo)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        writer.write_eof()
        await reader.read()
        writer.close()
        assert await asyncio.to_thread(control.ask, path, {}) == {"you said": {}}
        server.close()

    asyncio.run(play())


def test_no_daemon_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(control.NotRunningError, match="systemctl status lvsmarkd"):
        control.ask(tmp_path / "control.sock", {})
