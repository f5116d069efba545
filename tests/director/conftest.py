"""A real director: what is built once, and the figures that are told at the end."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

from tests.director.director import Director
from tests.director.figures import Figures
from tests.director.frozen import frozen, qemu
from tests.director.ground import Ground
from tests.director.guest import HERE, Guest, Image

DIST = HERE.parent.parent / "dist"
SUITE = os.environ.get("DIRECTOR_SUITE", "")
"""Another release of Debian than that of this machine."""
_LONGEST = ("test_drift", "test_bundle", "test_reboot", "test_install")
_EACH = ("test_drift", "test_bundle", "test_reboot")
"""Where each test has a machine of its own (``fresh``)."""
_FIGURES = pytest.StashKey[Figures]()


class ByMachine(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests that share a machine stay together, those that have one each are spread."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if Path(file).stem in _EACH else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs such a machine is marked so; what takes longest begins first."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("director")
            item.add_marker(pytest.mark.timeout(1800))
    items.sort(key=lambda item: _LONGEST.index(item.path.stem) if item.path.stem in _LONGEST else 9)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:  # noqa: ANN401 - xdist's
    return ByMachine(config, log)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands its figures to the one that tells them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = asdict(session.config.stash[_FIGURES])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - xdist has no public type for it
    # A process that crashed hands over nothing.
    if told := getattr(node, "workeroutput", {}).get("figures"):
        node.config.stash[_FIGURES].add(Figures(**told))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The figures, on the screen and in a file."""
    if text := str(config.stash[_FIGURES]):
        DIST.mkdir(exist_ok=True)
        (DIST / "director-figures.txt").write_text(text)
        terminalreporter.section("figures of this machine")
        terminalreporter.write(text)


@pytest.fixture(scope="session", autouse=True)
def _swept() -> None:
    """Away with machines of runs that were killed: nobody writes to them any more."""
    for left in Path(gettempdir()).glob("lvsmarkd-guest-*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def image() -> Image:
    """The built machine, switched off. What is missing for it makes its tests fail, not skip."""
    for tool in ("qemu-system-x86_64", "qemu-img"):
        assert shutil.which(tool), f"{tool} is missing: run packaging/setup.sh director as root"
    done = subprocess.run(
        ["sh", str(HERE / "image.sh")], capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, f"no image: {done.stderr[-3000:]}"
    directory = Path(done.stdout.strip().splitlines()[-1])
    return Image(directory, directory / "root.ext4")


@pytest.fixture(scope="session")
def package(figures: Figures) -> Path:
    """The package under test: the last that was built."""
    built = sorted((DIST / SUITE).glob("lvsmarkd_*.deb"), key=lambda path: path.stat().st_mtime)
    assert built, f"{DIST / SUITE} holds no package: run `make test-director`"
    figures.note("package size", f"{built[-1].stat().st_size / 1024:.0f} KiB")
    return built[-1]


@pytest.fixture(scope="session")
def grounded(image: Image) -> Image:
    """A machine with clients and real servers around it."""
    names = ("agent.py", "guest.py", "frozen.py", "ground.py")
    made_by = [*(HERE / name for name in names), *sorted((HERE / "programs").glob("*.py"))]
    sources = [qemu(), *(file.read_bytes() for file in made_by)]
    return frozen("ground", image, sources, lambda guest: Ground(guest).build())


@pytest.fixture(scope="session")
def installed(grounded: Image, package: Path) -> Image:
    """The same with lvsmarkd's package."""

    def install(guest: Guest) -> None:
        director = Director(guest)
        director.install(package)
        director.ask("marks")  # what it is made of is in memory, as on a director at work

    return frozen(
        "package", grounded, [package.read_bytes(), (HERE / "director.py").read_bytes()], install
    )


@pytest.fixture(scope="module")
def bare(grounded: Image) -> Iterator[Director]:
    """A machine without lvsmarkd's package, of its own for each module."""
    with Guest(grounded) as guest:
        yield Director(guest.start())


@pytest.fixture(scope="module")
def director(installed: Image) -> Iterator[Director]:
    """A machine with lvsmarkd's package, of its own for each module."""
    with Guest(installed) as guest:
        yield Director(guest.start())


@pytest.fixture
def fresh(installed: Image) -> Iterator[Director]:
    """The same, of its own for each test."""
    with Guest(installed) as guest:
        yield Director(guest.start())


@pytest.fixture(scope="module")
def guest(director: Director) -> Guest:
    """The machine of ``director``."""
    return director.guest


@pytest.fixture(scope="module")
def ground(guest: Guest) -> Ground:
    """What is around it."""
    return Ground(guest)
