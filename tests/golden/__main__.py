"""Write anew what the golden directories hold besides their inputs: ``git diff`` shows the rest."""

from tests.golden.rendering import INPUTS, rendered
from tests.golden.test_golden import DIRECTORIES

for directory in DIRECTORIES:
    files = rendered(directory)
    for old in directory.iterdir():
        if old.name not in (*INPUTS, *files):
            old.unlink()
    for name, text in files.items():
        (directory / name).write_text(text)
