"""``python -m lvsmarkd``."""

import sys

from lvsmarkd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
