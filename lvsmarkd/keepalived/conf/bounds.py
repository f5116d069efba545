"""How much is read at most: configurations can include and expand themselves without end."""

from msgspec import Struct

MAX_FILES = 20_000
MAX_DEPTH = 64
"""keepalived itself ends on its open files, which are more."""
MAX_EXPANDED = 4_000_000
"""Characters of all lines that come of sequences and definitions, with some for each line."""
_EACH = 40
MAX_BYTES = 4 * 1024 * 1024
"""Of all files together: some 12,000 virtual servers."""


class Bounds(Struct):
    """What was read up to now, against what is read at most."""

    files: int = 0
    expanded: int = 0
    bytes: int = 0

    def no_more_files(self, depth: int) -> str | None:
        """Why no further file is opened, if none is."""
        if depth >= MAX_DEPTH:
            return f"includes are nested more than {MAX_DEPTH} deep"
        if self.files >= MAX_FILES:
            return f"includes come to more than {MAX_FILES} files"
        if self.bytes > MAX_BYTES:
            return f"includes come to more than {MAX_BYTES} bytes"
        return None

    def no_more_text(self, text: str) -> str | None:
        """Why no further line is expanded, if none is; counts one."""
        self.expanded += len(text) + _EACH
        if self.expanded > MAX_EXPANDED:
            return f"sequences and definitions come to more than {MAX_EXPANDED} characters"
        return None
