"""What firewalld's own files still have of ours."""

from pathlib import Path

from lvsmarkd.backends.firewalld.files import kept_for_good

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
