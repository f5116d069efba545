"""The packages as they are built: what is in them, what their scripts do, what the linters say."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGING = ROOT / "packaging"
PARTS = (
    "/usr/bin/lvsmarkd",
    "/usr/lib/lvsmarkd/lvsmarkd/cli/main.py",
    "/usr/lib/lvsmarkd/pyroute2/__init__.py",
    "/usr/lib/sysusers.d/lvsmarkd.conf",
    "/usr/lib/tmpfiles.d/lvsmarkd.conf",
    "/usr/lib/systemd/catalog/lvsmarkd.catalog",
    "/usr/share/polkit-1/rules.d/49-lvsmarkd.rules",
    "/usr/share/bash-completion/completions/lvsmarkd",
    "/usr/share/doc/lvsmarkd/examples/lvsmarkd.toml",
    "/usr/share/doc/lvsmarkd/examples/lvsmarkd.service.d/iptables-legacy.conf",
    "/usr/share/doc/lvsmarkd/examples/prometheus/lvsmarkd.rules.yml",
    "/usr/share/doc/lvsmarkd/examples/prometheus/lvsmarkd.test.yml",
    "/usr/share/doc/lvsmarkd/decisions/0001-own-chain.md",
    "/etc/lvsmarkd/conf.d",
)
WRITES = re.compile(r"\b(?:iptables|ip6tables|nft|firewall-cmd|lvsmarkd (?:apply|run))\b")

pytestmark = [pytest.mark.packages, pytest.mark.timeout(600)]


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(kind: str) -> Path:
    for old in (ROOT / "dist").glob(f"*.{kind}"):
        old.unlink()
    run("sh", str(PACKAGING / f"{kind}.sh"))
    (package,) = (ROOT / "dist").glob(f"*.{kind}")
    return package


@pytest.fixture(scope="module")
def deb() -> Path:
    return built("deb")


@pytest.fixture(scope="module")
def rpm() -> Path:
    return built("rpm")


def test_the_deb_has_all_its_parts(deb: Path) -> None:
    listed = {line.split()[-1].removeprefix(".").rstrip("/") for line in run_lines(deb)}
    assert set(PARTS) <= listed
    assert any(name.endswith("/systemd/system/lvsmarkd.service") for name in listed)
    assert any("/man/man8/lvsmarkd.8" in name for name in listed)
    assert not any("__pycache__" in name or "/tests/" in name for name in listed)


def run_lines(deb: Path) -> list[str]:
    return run("dpkg-deb", "--contents", str(deb)).splitlines()


def test_lintian_has_nothing_to_say_of_the_deb(deb: Path) -> None:
    said = run("lintian", "--pedantic", "--fail-on", "error,warning,pedantic", str(deb))
    assert said == ""


def test_no_script_of_the_deb_writes_a_rule_before_the_purge(deb: Path, tmp_path: Path) -> None:
    run("dpkg-deb", "--control", str(deb), str(tmp_path / "scripts"))
    for name in ("postinst", "prerm"):
        assert not WRITES.search((tmp_path / "scripts" / name).read_text()), name
    postrm = (tmp_path / "scripts" / "postrm").read_text()
    assert '"$1" = purge' in postrm
    assert not WRITES.search(postrm.partition("\n\n")[0])


def test_links_of_the_installed_manual_lead_somewhere(deb: Path, tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", str(deb), str(tmp_path))
    _links_lead_somewhere(tmp_path)


def _links_lead_somewhere(root: Path) -> None:
    pages = list((root / "usr" / "share" / "doc" / "lvsmarkd").rglob("*.md"))
    assert {"README.md", "install.md", "0001-own-chain.md"} <= {page.name for page in pages}
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_names_of_files_are_completed(deb: Path, tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", str(deb), str(tmp_path))
    share = tmp_path / "usr" / "share"
    bash = (share / "bash-completion" / "completions" / "lvsmarkd").read_text()
    for option in ("config", "keepalived_conf"):
        assert f"_shtab_lvsmarkd_plan___{option}_COMPGEN=_shtab_compgen_files" in bash
    assert ":FILE:_files" in (share / "zsh" / "vendor-completions" / "_lvsmarkd").read_text()


def test_the_rpm_has_all_its_parts_and_every_library(rpm: Path) -> None:
    listed = set(run("rpm", "-qpl", str(rpm)).splitlines())
    assert set(PARTS) <= listed
    for library in ("dbus_next", "msgspec", "prometheus_client", "systemd", "watchdog"):
        assert f"/usr/lib/lvsmarkd/{library}" in listed
    wanted = run("rpm", "-qp", "--requires", str(rpm)).splitlines()
    assert not [line for line in wanted if "dist(" in line]
    assert any(line.startswith("python(abi) = 3.") for line in wanted)


def test_no_script_of_the_rpm_writes_a_rule_or_enables_the_service(rpm: Path) -> None:
    scripts = run("rpm", "-qp", "--scripts", str(rpm))
    assert not WRITES.search(scripts.replace("lvsmarkd purge", ""))
    assert "systemctl enable" not in scripts
    assert "try-restart lvsmarkd.service" in scripts


def test_rpmlint_has_nothing_to_say(rpm: Path) -> None:
    config, spec = PACKAGING / "rpm" / "rpmlint.toml", PACKAGING / "rpm" / "lvsmarkd.spec"
    assert "0 errors, 0 warnings" in run("rpmlint", "-c", str(config), str(spec), str(rpm))


def test_the_program_of_the_rpm_runs_from_where_it_was_built(rpm: Path, tmp_path: Path) -> None:
    with subprocess.Popen(["rpm2cpio", str(rpm)], stdout=subprocess.PIPE) as archive:
        subprocess.run(
            ["cpio", "--extract", "--make-directories", "--quiet"],
            cwd=tmp_path,
            stdin=archive.stdout,
            timeout=60,
            check=True,
        )
    _links_lead_somewhere(tmp_path)
    library = tmp_path / "usr" / "lib" / "lvsmarkd"
    program = tmp_path / "usr" / "bin" / "lvsmarkd"
    program.write_text(program.read_text().replace("/usr/lib/lvsmarkd", str(library)))
    assert re.match(r"lvsmarkd \d", run("/usr/bin/python3", "-I", str(program), "--version"))
