#!/bin/sh
# source.sh DIRECTORY: the source as packages are built from it, without what a tree collects.
set -eu
here=$(dirname "$0")
tar -c -C "$here/.." --exclude-vcs --exclude=./.venv --exclude=./dist --exclude='__pycache__' \
    --exclude='*.egg-info' --exclude=./tests --exclude='./.*_cache' --exclude=./.hypothesis \
    --exclude=./.fuzz . | tar -x -C "$1"
