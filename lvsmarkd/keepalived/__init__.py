"""keepalived: its configuration as it reads it (`conf`), and the one that runs (`process`)."""

from lvsmarkd.keepalived.conf.fingerprint import changed_since, fingerprint
from lvsmarkd.keepalived.conf.reading import read

__all__ = ["changed_since", "fingerprint", "read"]
