"""A host that has nothing left to give to the process of the test."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Whatever needs a file descriptor meanwhile fails with EMFILE."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/", os.O_RDONLY)  # the lowest that is free
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        os.close(lowest)
