"""A real director: what is built once, and the figures that are told at the end."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.director.director import Director
from tests.director.figures import Figures
from tests.director.ground import Ground
from tests.director.guest import HERE, Guest

DIST = HERE.parent.parent / "dist"
_FIGURES = pytest.StashKey[Figures]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs such a machine is marked so: `make test` leaves it out."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("director")
            item.add_marker(pytest.mark.timeout(1800))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The figures, on the screen and in a file."""
    if text := str(config.stash[_FIGURES]):
        DIST.mkdir(exist_ok=True)
        (DIST / "director-figures.txt").write_text(text)
        terminalreporter.section("figures of this machine")
        terminalreporter.write(text)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def image() -> Path:
    """The built image."""
    done = subprocess.run(
        ["sh", str(HERE / "image.sh")], capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, f"no image: {done.stderr[-3000:]}"
    return Path(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def package(figures: Figures) -> Path:
    """The package under test: the last that was built."""
    built = sorted(DIST.glob("lvsmarkd_*.deb"), key=lambda path: path.stat().st_mtime)
    assert built, "dist/ holds no package: run `make test-director`, or packaging/deb.sh"
    figures.note("package size", f"{built[-1].stat().st_size / 1024:.0f} KiB")
    return built[-1]


@pytest.fixture(scope="module")
def guest(image: Path) -> Iterator[Guest]:
    """A machine of its own for each module."""
    with Guest(image) as machine:
        yield machine.start()


@pytest.fixture(scope="module")
def ground(guest: Guest) -> Ground:
    """Clients and real servers around it."""
    ground = Ground(guest)
    ground.build()
    return ground


@pytest.fixture(scope="module")
def bare(guest: Guest) -> Director:
    """Without lvsmarkd's package."""
    return Director(guest)


@pytest.fixture(scope="module")
def director(bare: Director, package: Path) -> Director:
    """With lvsmarkd's package."""
    bare.install(package)
    return bare
