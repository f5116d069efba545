#!/bin/sh
# stage.sh ROOT debian|all: lay out all that a package installs below ROOT, the same in every
# package: the program, unit, lock, user, polkit rule, journal catalog, manual pages, completions,
# examples. With it go, privately and pinned, those libraries that Debian has not or has too old,
# or with `all` every one. What has a compiled part is compiled here.
set -eu
root=$1
here=$(dirname "$0")
library=$root/usr/lib/lvsmarkd
: "${PYTHON:=python3}"
# Which and why: docs/decisions/0009-packages.md
own="msgspec pyroute2 watchdog"
case $2 in
    debian) ;;
    all) own="$own dbus-next prometheus-client systemd-python" ;;
    *) echo "usage: stage.sh ROOT debian|all" >&2; exit 1 ;;
esac

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
trap 'exit 1' HUP INT TERM
"$PYTHON" -m venv "$tools"
fetch() {
    "$tools/bin/python" -m pip install --disable-pip-version-check -q -c "$here/constraints.txt" "$@"
}
privately() { fetch --target "$library" --no-compile --no-deps --use-pep517 "$@"; }
# Words, not a word: shellcheck disable=SC2086
privately --no-binary msgspec,systemd-python $own
privately --upgrade "$here/.."
# Neither programs, types and tests of theirs, nor what pip notes for itself.
rm -rf "$library/bin" "$library/include"
find "$library" \( -name '*.pyi' -o -name py.typed -o -name RECORD -o -name INSTALLER \
    -o -name REQUESTED -o -name direct_url.json -o -name '*.c' -o -name '*.h' \) -delete
find "$library" -name '*.py' -exec sed -i '1{/^#!/d}' {} +
find "$library" -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +

put() { install -D -m 644 "$1" "$root$2"; }
sed "1s,.*,#!${PROGRAM_PYTHON:-/usr/bin/python3} -I," "$here/lvsmarkd.py" > "$tools/lvsmarkd"
install -D -m 755 "$tools/lvsmarkd" "$root/usr/bin/lvsmarkd"
put "$here/../systemd/lvsmarkd.service" /usr/lib/systemd/system/lvsmarkd.service
put "$here/../systemd/lvsmarkd.tmpfiles.conf" /usr/lib/tmpfiles.d/lvsmarkd.conf
put "$here/sysusers.d/lvsmarkd.conf" /usr/lib/sysusers.d/lvsmarkd.conf
put "$here/polkit/49-lvsmarkd.rules" /usr/share/polkit-1/rules.d/49-lvsmarkd.rules
put "$here/lvsmarkd.catalog" /usr/lib/systemd/catalog/lvsmarkd.catalog
put "$here/man/lvsmarkd.8" /usr/share/man/man8/lvsmarkd.8
put "$here/man/lvsmarkd.toml.5" /usr/share/man/man5/lvsmarkd.toml.5
for file in "$here"/../systemd/lvsmarkd.service.d/*.conf; do
    put "$file" "/usr/share/doc/lvsmarkd/examples/lvsmarkd.service.d/$(basename "$file")"
done
put "$here/examples/lvsmarkd.toml" /usr/share/doc/lvsmarkd/examples/lvsmarkd.toml
for file in "$here"/prometheus/*.yml; do
    put "$file" "/usr/share/doc/lvsmarkd/examples/prometheus/$(basename "$file")"
done
# The manual is beside the README there: [docs/a.md](docs/a.md) becomes [a.md](a.md).
sed 's,\[docs/\([^]]*\)\](docs/,[\1](,g; s,\](docs/,](,g' "$here/../README.md" > "$tools/README.md"
put "$tools/README.md" /usr/share/doc/lvsmarkd/README.md
for file in "$here"/../docs/*.md; do
    put "$file" "/usr/share/doc/lvsmarkd/$(basename "$file")"
done
for file in "$here"/../docs/decisions/*.md; do
    put "$file" "/usr/share/doc/lvsmarkd/decisions/$(basename "$file")"
done
install -d -m 755 "$root/etc/lvsmarkd/conf.d"

fetch shtab
complete() {
    install -d -m 755 "$(dirname "$root$2")"
    PYTHONPATH=$library PYTHONDONTWRITEBYTECODE=1 \
        "$tools/bin/shtab" -u --shell "$1" lvsmarkd.cli.main.parser > "$root$2"
}
complete bash /usr/share/bash-completion/completions/lvsmarkd
complete zsh "${ZSH_COMPLETIONS:-/usr/share/zsh/vendor-completions}/_lvsmarkd"
