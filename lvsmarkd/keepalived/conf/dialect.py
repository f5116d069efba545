"""How keepalived's versions and builds differ in what they make of the same files."""

from msgspec import Struct

from lvsmarkd.model.running import Build, BuildOption, Version

REFERENCE = Build((2, 2, 7))
"""Taken where no keepalived can be asked: what Debian 12 has."""


class Difference:
    """A way of reading that keepalived has ``since`` a version, or had ``until`` one, which no
    longer has it. Of a dialect it gives whether that is so.
    """

    def __init__(self, *, since: Version = (0, 0, 0), until: Version | None = None) -> None:
        self._since = since
        self._until = until

    def __get__(self, dialect: "Dialect", _owner: type) -> bool:
        version = dialect.build.version
        return self._since <= version and (self._until is None or version < self._until)


class Dialect(Struct, frozen=True):
    """How one keepalived reads: what is different between 2.2.7 and 2.4.3, and bears on marks.

    Each difference is named here, with the version and the commit that brought or ended it;
    words that came with a version, or with a build option, have that in their keyword's entry
    (grammar.Keyword). All were read in keepalived's history, and tried with the versions on
    both sides.
    """

    build: Build = REFERENCE

    drops_unfit_lines = Difference(since=(2, 4, 0))
    """A line that fills the buffer, or holds a NUL, is dropped (f220eaa8); before, it is cut."""

    comments_continue = Difference(until=(2, 4, 0))
    """A backslash that ends a comment ends the text (a0501190)."""

    looks_at_lines_again = Difference(until=(2, 4, 0))
    """A line with a definition in it is looked at from the start, once that is put in
    (67333835)."""

    miscounts_conditions = Difference(until=(2, 2, 8))
    """A condition that comes out of a definition moves the wrong number of bytes (1ffad9a8)."""

    takes_words_as_parameters = Difference(since=(2, 4, 0))
    """The parameters of a definition are words, not only numbers, and ``_ENV`` is built in
    (8db158e8)."""

    refuses_braced_sequences = Difference(since=(2, 4, 0))
    """``~SEQ`` takes no name in braces (2a3703d9)."""

    keeps_closed_blocks = Difference(until=(2, 2, 8))
    """Lines of a block whose header is invalid go to what was read before it (516032ec). Since
    then, they are looked at only while what they are about is there: those of an invalid
    real_server, or of a check in it, are not."""

    frees_checks_twice = Difference(until=(2, 2, 8))
    """An HTTP_GET or SSL_GET without a url that has a path frees a check that it goes on to use
    (516032ec)."""

    loops_on_mail_hosts = Difference(since=(2, 3, 0), until=(2, 3, 4))
    """A ``host`` of an SMTP_CHECK may keep the checker from coming to an end (238bf177 until
    da0291cd; check_list)."""

    escapes_scripts = Difference(until=(2, 3, 2))
    """Behind a backslash in a script's line, letters stand for other characters (af7aa8bf)."""

    runs_without_interface = Difference(since=(2, 2, 8))
    """A vrrp_instance with a word about unicast, and a source address, needs no interface; its
    addresses without a ``dev`` are dropped then (vrrp.c: chk_min_cfg, vrrp_complete_instance)."""

    drops_duplicates = Difference(since=(2, 3, 3))
    """An address that a vrrp_instance has already is dropped (vrrp_data.c, vip_is_duplicate;
    e67cf6b2)."""

    wants_address_for_ipv6 = Difference(until=(2, 2, 8))
    """A vrrp_instance of IPv6 without a virtual_ipaddress keeps keepalived from starting, of
    whichever version of VRRP (vrrp.c, vrrp_complete_instance)."""

    refuses_strict_unicast = Difference(since=(2, 4, 0))
    """With unicast peers and strict mode keepalived does not start, on an interface that does
    multicast: before, the check came too early to see the peers (vrrp.c,
    vrrp_complete_instance)."""

    @classmethod
    def of(cls, build: Build | None) -> "Dialect":
        """The dialect of a keepalived; that of the reference, where it is not known."""
        return cls(build or REFERENCE)

    def knows(self, since: Version | None, option: BuildOption | None) -> bool:
        """Whether a word that came with a version, or with an option, is known."""
        return (since is None or since <= self.build.version) and (
            option is None or option not in self.build.lacks
        )


REFERENCE_DIALECT = Dialect()
"""How the reference reads."""
