"""What firewalld's own files still have of ours."""

from pathlib import Path

import pytest

from lvsmarkd.backends.firewalld.planes.files import broken_files, broken_policy, kept_for_good

RULE = '<zone><rule priority="{}" family="ipv4"><mark set="80"/></rule></zone>'


def test_the_policy_and_the_zones_that_have_rules_of_ours_are_named(tmp_path: Path) -> None:
    assert kept_for_good(tmp_path) == ""
    for hook in ("policies", "zones"):
        (tmp_path / hook).mkdir()
    (tmp_path / "zones/dmz.xml").write_text(RULE.format(1))
    assert kept_for_good(tmp_path) == ""
    (tmp_path / "zones/public.xml").write_text(RULE.format(10965))
    assert "--zone=public" in kept_for_good(tmp_path)
    assert "dmz" not in kept_for_good(tmp_path)
    (tmp_path / "policies/lvsmarkd.xml").write_text("<policy/>")
    assert "--delete-policy=lvsmarkd" in kept_for_good(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('<?xml version="1.0"?>\n<policy target="CONTINUE"><short>x</short></policy>', ""),
        ("<policy><broken", "is broken (unclosed token"),
        ("", "is broken (no element found"),
        ("<policy/>", "is broken (it is no policy with a target)"),
        ('<zone target="CONTINUE"/>', "is broken (it is no policy with a target)"),
    ],
)
def test_a_file_of_our_policy_that_firewalld_cannot_load_is_told(
    tmp_path: Path, content: str, said: str
) -> None:
    assert broken_policy(tmp_path) == ""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "lvsmarkd.xml").write_text(content)
    assert said in broken_policy(tmp_path)
    assert bool(said) is bool(broken_policy(tmp_path))


def test_broken_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    for place in ("zones", "policies", "icmptypes"):
        (tmp_path / place).mkdir()
    (tmp_path / "direct.xml").write_text("<direct>")
    (tmp_path / "zones/a.xml").write_text("<zone/>")
    (tmp_path / "zones/b.xml").write_text("")
    (tmp_path / "zones/b.xml.old").write_text("")
    (tmp_path / "policies/p.xml").write_text("<policy/>")
    assert broken_files(tmp_path) == (
        f"{tmp_path}/direct.xml (no element found: line 1, column 8)",
        f"{tmp_path}/zones/b.xml (no element found: line 1, column 0)",
        f"{tmp_path}/policies/p.xml (it is no policy with a target)",
    )
