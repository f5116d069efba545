"""Every keyword without its word: where keepalived ends on it, so does the reading, and only there.

The configurations are made of the tables of keywords, so that none is forgotten.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.checker_keywords import CHECKER
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.grammar import Body, Keyword, KeywordTable
from lvsmarkd.keepalived.conf.parent_keywords import PARENT
from tests.keepalived.cases import CONFIG_ID, MAIN, server
from tests.keepalived.editions import EDITIONS, command_of
from tests.keepalived.oracle import Oracle

pytestmark = pytest.mark.netns

AT_A_TIME = 4
_HEADERS = {
    "virtual_server": "virtual_server fwmark 21",
    "virtual_server_group": "virtual_server_group G",
    "real_server": "real_server 192.0.2.1 80",
    "track_file": "track_file T",
    "vrrp_track_file": "vrrp_track_file T",
    "bfd_instance": "bfd_instance B",
}
_URL = "url {\n path /\n}\n"
_NOT_THE_CHECKERS = {"bfd_instance"}
"""Its words are the BFD process's, which comes to its end while the checker is at work."""
_FOR_ITSELF = {"reload_check_config"}
"""What it does depends on the rest of the file."""

Path_ = tuple[str, ...]


def _words(table: KeywordTable, around: Path_ = ()) -> Iterator[tuple[Path_, str, Keyword]]:
    for word, keyword in table.items():
        if keyword.body is Body.PASSED_OVER or word in _NOT_THE_CHECKERS | _FOR_ITSELF:
            continue
        yield around, word, keyword
        yield from _words(keyword.inner or {}, (*around, word))


def _inside(around: Path_, line: str) -> str:
    """A configuration that is in order but for one line, in these blocks."""
    if not around:
        return line + "\n"
    block, *rest = around
    before = after = ""
    if block in {"HTTP_GET", "SSL_GET"} and rest != ["url"]:
        before = _URL
    elif block == "url" and line != "path":
        before = "path /\n"
    elif block == "virtual_server" and not rest:
        after = "real_server 192.0.2.1 80 {\n}\n"
    header = _HEADERS.get(block, block)
    return f"{header} {{\n{before}{_inside(tuple(rest), line)}{after}}}\n"


WORDS = [
    (
        "/".join((*around, word)),
        _inside(around, word + (" {\n}" if keyword.body is not Body.NOTHING else "")),
    )
    for table in (CHECKER, PARENT)
    for around, word, keyword in _words(table)
]


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_keyword_without_its_word_ends_the_reading_where_it_ends_keepalived(
    edition: str, tmp_path: Path
) -> None:
    oracle = Oracle.build(tmp_path, command_of(edition))
    dialect = Dialect.of(oracle.built)

    def differs(number: int) -> str:
        name, text = WORDS[number]
        directory = tmp_path / str(number)
        scratch = directory / "scratch"
        scratch.mkdir(parents=True)
        configuration = directory / MAIN
        configuration.write_text(text + server(8))
        verdict = oracle.ask(configuration, CONFIG_ID, scratch)
        reading = read(configuration, CONFIG_ID, dialect=dialect)
        ours = {(str(service.key.family), service.key.mark) for service in reading.services}
        return "" if ours == verdict.services else f"{name}: {ours}\n{verdict.log[-600:]}"

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(filter(None, pool.map(differs, range(len(WORDS)))))

    assert not found, "\n".join(found)
    assert len(WORDS) > 350
