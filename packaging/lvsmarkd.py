#!/usr/bin/python3 -I
"""lvsmarkd, with the libraries of its own; nothing of the environment or the user's is taken."""

import sys

sys.path.insert(0, "/usr/lib/lvsmarkd")

from lvsmarkd.cli.main import main

sys.exit(main())
