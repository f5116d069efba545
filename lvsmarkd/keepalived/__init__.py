"""keepalived: its configuration as it reads it (`conf`), and the one that runs (`process`)."""

from lvsmarkd.keepalived.conf.reading import changed_since, is_current, read

__all__ = ["changed_since", "is_current", "read"]
