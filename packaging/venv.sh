#!/bin/sh
# A virtual environment with lvsmarkd and its tools, pinned by constraints.txt.
set -eu
venv=$1
here=$(dirname "$0")
for python in python3 python3.13 python3.12 python3.11; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --use-pep517 -c "$here/constraints.txt" \
        --config-settings editable_mode=compat -e "$here/..[dev]"
    exit 0
done
echo "no Python 3.11 or newer with venv was found: run packaging/setup.sh as root" >&2
exit 1
