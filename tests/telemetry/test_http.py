"""The pages, and that no client and no taken port can do harm."""

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvsmarkd.telemetry import server as small_server
from lvsmarkd.telemetry.http import ListenAddress, ListenError, Servers, spelled, start
from lvsmarkd.telemetry.metrics import Metrics

HERE: ListenAddress = ("127.0.0.1", 0)
WELL = (True, "")


class Site:
    """What was started, and the health that it reports."""

    def __init__(self) -> None:
        self.health: Callable[[], tuple[bool, str]] = lambda: WELL
        self.servers, failures = start([HERE, ("::1", 0)], Metrics(), self.answer)
        assert failures == ()

    def answer(self) -> tuple[bool, str]:
        return self.health()

    def ask(
        self, path: str, method: str = "GET", address: int = 0, accept: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        host, port = self.servers.addresses[address]
        with closing(http.client.HTTPConnection(host, port, timeout=5)) as line:
            line.request(method, path, headers={"Accept-Encoding": accept})
            answer = line.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.servers.addresses[0], timeout=5)


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    site = Site()
    yield site
    site.servers.close()


@pytest.fixture
def site(shared: Site) -> Site:
    shared.health = lambda: WELL
    return shared


@pytest.mark.parametrize("address", [0, 1])
def test_metrics_are_served_on_both_families(site: Site, address: int) -> None:
    status, headers, body = site.ask("/metrics", address=address)
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert b"lvsmarkd_build_info{" in body


def test_a_scrape_may_ask_for_one_name_and_for_gzip(site: Site) -> None:
    _, _, body = site.ask("/metrics?name[]=lvsmarkd_fight_active")
    assert [line for line in body.splitlines() if not line.startswith(b"#")] == [
        b"lvsmarkd_fight_active 0.0"
    ]
    _, headers, _ = site.ask("/metrics", accept="gzip")
    assert headers["Content-Encoding"] == "gzip"


def test_health_is_a_status_and_a_sentence(site: Site) -> None:
    status, _, body = site.ask("/healthz")
    assert (status, body) == (200, b"ok\n")
    site.health = lambda: (False, "the last pass ended 400 s ago")
    status, _, body = site.ask("/healthz")
    assert (status, body) == (503, b"the last pass ended 400 s ago\n")


def test_the_index_names_the_pages_and_all_else_is_not_there(site: Site) -> None:
    status, _, body = site.ask("/")
    assert status == 200
    assert b"/metrics" in body
    assert b"/healthz" in body
    assert site.ask("/etc/passwd")[0] == 404
    assert site.ask("/metrics/")[0] == 404


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/nothing"])
def test_head_is_get_without_the_body(site: Site, path: str) -> None:
    status, headers, body = site.ask(path, "HEAD")
    assert (status, body) == (site.ask(path)[0], b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_written(site: Site, method: str) -> None:
    status, headers, _ = site.ask("/metrics", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


def test_a_bug_shows_no_traceback_to_the_client_and_all_of_it_to_us(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> tuple[bool, str]:
        raise ZeroDivisionError

    site.health = fail
    status, _, body = site.ask("/healthz")
    assert (status, body) == (500, b"see the journal of lvsmarkd\n")
    assert "ZeroDivisionError" in caplog.text
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "noise", [b"", b"\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_noise_is_borne_in_silence(
    site: Site, noise: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with site.connect() as line:
        line.sendall(noise)
    assert site.ask("/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def said_to(site: Site, words: bytes) -> bytes:
    """The whole answer to some bytes and their end."""
    answer = b""
    with site.connect() as line, suppress(ConnectionError):
        line.sendall(words)
        line.shutdown(socket.SHUT_WR)
        while more := line.recv(1 << 16):
            answer += more
    return answer


GARBAGE = (
    b"\r\n",
    b"\x85\r\n",
    b"GET\r\n\r\n",
    b"nonsense and more of it\r\n\r\n",
    b"GET /metrics HTTP/x.y\r\n\r\n",
    b"GET /metrics HTTP/1.\xb2\r\n\r\n",
    b"GET /metrics HTTP/1.0\r\nAccept: text/plain;version=x\r\n\r\n",
    b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text; version=1..0\r\n\r\n",
)


@pytest.mark.parametrize("words", GARBAGE)
def test_garbage_is_answered_with_400_and_without_a_traceback(
    site: Site,
    words: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert said_to(site, words).startswith(b"HTTP/1.0 400 ")
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


_VALUES = st.one_of(
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from([b"text/plain", b"application/openmetrics-text"]).flatmap(
        lambda kind: st.binary(max_size=12).map(lambda raw: kind + b";version=" + raw)
    ),
)
_NAMES = st.sampled_from([b"Accept", b"Accept-Encoding", b"Content-Length", b"Host", b"X", b":"])
_HEADERS = st.lists(st.tuples(_NAMES, _VALUES).map(b": ".join), max_size=4).map(b"\r\n".join)
_REQUESTS = st.builds(
    b"%b %b%b %b\r\n%b\r\n\r\n".__mod__,
    st.tuples(
        st.sampled_from([b"GET", b"HEAD", b"POST", b"\xff"]),
        st.sampled_from([b"/metrics", b"/healthz", b"/", b"//", b"http://["]),
        st.binary(max_size=20),
        st.sampled_from([b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/", b""]),
        _HEADERS,
    ),
)


@settings(max_examples=300, deadline=None)
@given(words=st.one_of(st.binary(min_size=1, max_size=300), _REQUESTS))
def test_whatever_bytes_come_there_is_an_answer_with_a_status_and_nothing_is_logged(
    shared: Site, words: bytes
) -> None:
    shared.health = lambda: WELL
    told: list[logging.LogRecord] = []
    listener = logging.Handler()
    listener.emit = told.append  # type: ignore[method-assign,assignment]  # all there is to hear
    logging.getLogger().addHandler(listener)
    try:
        answer = said_to(shared, words)
    finally:
        logging.getLogger().removeHandler(listener)
    status = answer.split(b" ", 2)
    assert status[0] == b"HTTP/1.0", answer
    assert status[1] in {b"200", b"400", b"404", b"405", b"414", b"431", b"505"}, answer
    assert told == []


def test_clients_that_say_nothing_keep_no_room_for_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_server, "PATIENCE", 1.0)
    before = threading.active_count()
    with ExitStack() as stack:
        silent = [stack.enter_context(site.connect()) for _ in range(3 * small_server.CLIENTS)]
        for line in silent:
            line.sendall(b"GET /met")
        assert threading.active_count() - before <= small_server.CLIENTS
        assert _within(5, lambda: _answers(site))
        assert _within(5, lambda: threading.active_count() <= before)


def _answers(site: Site) -> bool:
    try:
        return site.ask("/healthz")[0] == 200
    except OSError:
        return False  # there is no room yet


def _within(seconds: float, happens: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happens():
            return True
        time.sleep(0.05)
    return False


def test_a_taken_port_is_named_leaves_the_others_alone_and_is_served_when_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        servers, failures = start([("127.0.0.1", port), HERE], Metrics(), lambda: WELL)
        [failure] = failures
        assert isinstance(failure, ListenError)
        assert str(failure) == (
            f"no metrics on 127.0.0.1:{port}: another program listens there:"
            f" `ss -ltnp 'sport = :{port}'` names it; stop it, or choose another port with"
            " metrics.listen in lvsmarkd.toml"
        )
        assert len(servers.addresses) == 1
        assert len(servers.retry()) == 1
    assert servers.retry() == ()
    assert ("127.0.0.1", port) in servers.addresses
    assert not servers.waiting
    servers.close()


def test_an_address_of_another_host_is_named_too() -> None:
    servers, [failure] = start([("203.0.113.99", 10965)], Metrics(), lambda: WELL)
    assert "203.0.113.99:10965: this host does not have the address" in str(failure)
    servers.close()


def test_all_of_ipv4_and_all_of_ipv6_can_be_served_side_by_side() -> None:
    with socket.create_server(("0.0.0.0", 0)) as found:  # noqa: S104 - the case itself
        port = found.getsockname()[1]
    servers, failures = start([("0.0.0.0", port), ("::", port)], Metrics(), lambda: WELL)  # noqa: S104 - likewise
    assert failures == ()
    servers.close()


def test_after_the_end_nobody_listens_and_the_port_can_be_had_again() -> None:
    servers, _ = start([HERE], Metrics(), lambda: WELL)
    [address] = servers.addresses
    servers.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)
    again, failures = start([address], Metrics(), lambda: WELL)
    assert failures == ()
    again.close()
    again.close()


def test_an_address_is_spelled_as_in_a_url() -> None:
    assert spelled(("::1", 10965)) == "[::1]:10965"
    assert spelled(("127.0.0.1", 1)) == "127.0.0.1:1"


def test_no_addresses_are_no_servers() -> None:
    servers, failures = start([], Metrics(), lambda: WELL)
    assert isinstance(servers, Servers)
    assert (servers.addresses, failures) == ((), ())
    servers.close()
