"""The play: what an operator would see, with the commands that show it."""

import sys

from demo import firewalld, iptables
from demo.stage import Stage, StageError


def main() -> int:
    """Play, and leave nothing behind."""
    try:
        stage = Stage()
    except StageError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    try:
        iptables.play(stage)
        firewalld.play(stage)
    except StageError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        if stage.log.exists():
            print(stage.log.read_text(), file=sys.stderr)
        return 1
    finally:
        stage.close()
    print("\nThat was all in a private network namespace: no rule, address or service of this")
    print("machine was touched.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
