"""The files, with the real inotify: whatever way a change is made, it wakes; nothing else does."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.directories import ContentEvent
from lvsmarkd.watch.files import Files
from lvsmarkd.watch.path_watcher import EventQueue, watch_paths
from lvsmarkd.watch.watched_paths import WatchedPaths, paths_to_watch
from tests.watch.hearing import Hearing, running

Step = Callable[[Path], object]


def _write(name: str, text: str = "new\n") -> Step:
    return lambda root: (root / name).write_text(text)


def _rename_over(root: Path) -> None:
    (root / "k" / ".conf.tmp").write_text("new\n")
    (root / "k" / ".conf.tmp").rename(root / "k" / "conf")


def _vim(root: Path) -> None:
    (root / "k" / "conf").rename(root / "k" / "conf~")
    (root / "k" / "conf").write_text("new\n")
    (root / "k" / "conf~").unlink()


def _relink(link: Path, target: str) -> None:
    """As ``ln -sfn`` and kubelet do: a new link, renamed over the old one."""
    new = link.with_name("new-link")
    new.symlink_to(target)
    new.rename(link)


def _kubernetes(root: Path) -> None:
    """A mounted ConfigMap: conf -> ..data/conf, ..data -> ..1"""
    (root / "k" / "conf").unlink()
    for version in ("..1", "..2"):
        (root / "k" / version).mkdir()
        (root / "k" / version / "conf").write_text(version)
    (root / "k" / "..data").symlink_to("..1")
    (root / "k" / "conf").symlink_to("..data/conf")


def _linked_file(root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / "k" / "conf").rename(root / "elsewhere" / "real")
    (root / "k" / "conf").symlink_to(root / "elsewhere" / "real")


def _linked_directory(root: Path) -> None:
    (root / "k").rename(root / "k1")
    shutil.copytree(root / "k1", root / "k2")
    (root / "k").symlink_to("k1")


def _remade(root: Path) -> None:
    shutil.rmtree(root / "k")
    (root / "k").mkdir()
    (root / "k" / "conf").write_text("made again\n")


def _replaced(root: Path) -> None:
    (root / "next").mkdir()
    (root / "next" / "conf").write_text("next\n")
    (root / "k").rename(root / "old")
    (root / "next").rename(root / "k")


def _nothing(_root: Path) -> None:
    pass


def _without(root: Path) -> None:
    shutil.rmtree(root / "k")


def _deep(root: Path) -> None:
    (root / "k").mkdir()
    (root / "k" / "conf").write_text("appeared\n")


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param(_nothing, _write("k/conf"), id="written in place"),
        pytest.param(_nothing, _rename_over, id="renamed over"),
        pytest.param(_nothing, _vim, id="vim"),
        pytest.param(_nothing, lambda r: (r / "k/conf").unlink(), id="deleted"),
        pytest.param(_nothing, lambda r: (r / "k/conf").rename(r / "gone"), id="moved away"),
        pytest.param(lambda r: (r / "k/conf").unlink(), _write("k/conf"), id="appears"),
        pytest.param(_kubernetes, lambda r: _relink(r / "k/..data", "..2"), id="kubernetes"),
        pytest.param(_linked_file, _write("elsewhere/real"), id="target of a link written"),
        pytest.param(
            _linked_file, lambda r: _relink(r / "k/conf", str(r / "other")), id="link swapped"
        ),
        pytest.param(
            _linked_directory, lambda r: _relink(r / "k", "k2"), id="link to a directory swapped"
        ),
        pytest.param(_linked_directory, _write("k1/conf"), id="written behind such a link"),
        pytest.param(_without, _deep, id="directory appears"),
        pytest.param(_nothing, _remade, id="directory made again"),
        pytest.param(_nothing, _replaced, id="directory replaced"),
        pytest.param(_nothing, _without, id="directory deleted"),
        pytest.param(_nothing, lambda r: (r / "k").rename(r / "k0"), id="directory moved away"),
    ],
)
def test_every_way_to_change_a_file_wakes_and_is_followed(
    tmp_path: Path, before: Step, change: Step
) -> None:
    (tmp_path / "k").mkdir()
    conf = tmp_path / "k" / "conf"
    conf.write_text("first\n")
    before(tmp_path)

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing, fresh=0)
        files.follow((str(conf),), ())
        async with running(files, hearing):
            await hearing.silence()
            change(tmp_path)
            await hearing.until(lambda: Wake(Trigger.FILE) in hearing.wakes)
            await hearing.calm()
            # However it came about, what is there now is what is followed.
            conf.parent.mkdir(exist_ok=True)
            conf.write_text("again\n")
            await hearing.until(lambda: hearing.wakes)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("pattern", "change", "wakes"),
    [
        ("k/d/*.conf", _write("k/d/new.conf"), True),
        ("k/d/*.conf", _write("k/d/a.conf"), True),
        ("k/d/*.conf", lambda r: (r / "k/d/a.conf").unlink(), True),
        ("k/d/*.conf", lambda r: (r / "k/d/a.conf").rename(r / "k/d/a.off"), True),
        ("k/*/*.conf", lambda r: shutil.copytree(r / "k/d", r / "k/e"), True),
        ("k/*/x/[!b].conf", lambda r: (r / "k/d/x").mkdir(), True),
        ("k/d/[^a].conf", _write("k/d/b.conf"), True),
        ("k/d/[^b].conf", _write("k/d/b.conf"), False),
        ("k/d/*", _write("k/d/.hidden"), False),
        ("k/d/*.conf", _write("k/d/a.conf.swp"), False),
        ("k/d/*.conf", lambda r: (r / "k/d/x").mkdir(), False),
        ("k/d/a.conf", _write("k/d/a.conf"), True),
    ],
)
def test_a_pattern_is_followed(tmp_path: Path, pattern: str, change: Step, *, wakes: bool) -> None:
    (tmp_path / "k" / "d").mkdir(parents=True)
    (tmp_path / "k" / "d" / "a.conf").write_text("first\n")

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing, fresh=0)
        files.follow((), (str(tmp_path / pattern),))
        async with running(files, hearing):
            change(tmp_path)
            if wakes:
                await hearing.until(lambda: hearing.wakes)
            else:
                await hearing.silence()

    asyncio.run(check())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: (r / "k/conf").read_text(), id="reading it"),
        pytest.param(lambda r: list((r / "k").iterdir()), id="listing its directory"),
        pytest.param(_write("k/4913"), id="vim's probe"),
        pytest.param(_write("k/.conf.swp"), id="a swap file"),
        pytest.param(lambda r: (r / "k/conf~").rename(r / "k/conf.bak"), id="other files renamed"),
        pytest.param(_write("beside"), id="a file above"),
    ],
)
def test_what_is_no_change_of_ours_does_not_wake(tmp_path: Path, change: Step) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "conf").write_text("first\n")
    (tmp_path / "k" / "conf~").write_text("older\n")

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing, fresh=0)
        files.follow((str(tmp_path / "k" / "conf"),), ())
        async with running(files, hearing):
            change(tmp_path)
            await hearing.silence()

    asyncio.run(check())


def test_another_set_is_followed_from_then_on(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "a" / "two"
    two.parent.mkdir()
    one.write_text("1")
    two.write_text("2")

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing, fresh=0)
        files.follow((str(one),), ())
        async with running(files, hearing):
            await asyncio.to_thread(files.follow, (str(two),), ())
            await hearing.silence()
            two.write_text("3")
            await hearing.until(lambda: hearing.wakes)
            await hearing.calm()
            one.write_text("4")
            await hearing.silence()

    asyncio.run(check())


def test_a_change_before_the_watch_is_in_place_is_not_missed(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.write_text("first\n")

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing, fresh=0)
        files.follow((str(conf),), ())
        conf.write_text("second one\n")
        async with running(files, hearing):
            await hearing.until(lambda: hearing.wakes == [Wake(Trigger.FILE)])
            hearing.wakes.clear()
            await hearing.silence()

    asyncio.run(check())


def test_a_file_changed_while_it_was_read_is_not_missed(tmp_path: Path) -> None:
    """Between the reading that found it and ``follow``, nobody watches it."""
    (tmp_path / "a.conf").write_text("written just now\n")

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing)
        async with running(files, hearing):
            files.follow((), (str(tmp_path / "*.conf"),))
            await hearing.until(lambda: hearing.wakes)
            await hearing.calm()
            files.follow((), (str(tmp_path / "*.conf"),))
            await hearing.silence()

    asyncio.run(check())


def test_what_comes_between_the_walk_and_the_watch_is_walked_again(tmp_path: Path) -> None:
    conf = tmp_path / "k" / "conf"
    walks = []

    def walk() -> WatchedPaths:
        walks.append(paths_to_watch([str(conf)], ()))
        conf.parent.mkdir(exist_ok=True)
        return walks[-1]

    async def check() -> None:
        with watch_paths(walk, ContentEvent.WRITTEN, EventQueue()) as followed:
            assert str(conf.parent) not in walks[0].by_directory
            assert str(conf.parent) in followed.watched_paths.by_directory

    asyncio.run(check())


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    async def check() -> None:
        hearing = Hearing()
        files = Files(hearing, fresh=0)
        files.follow((str(tmp_path / "a"), str(tmp_path / "nul\0")), (str(tmp_path / "[*"),))
        async with running(files, hearing):
            (tmp_path / "b").unlink()
            (tmp_path / "b").write_text("a file at last\n")
            await hearing.until(lambda: hearing.wakes)

    asyncio.run(check())
