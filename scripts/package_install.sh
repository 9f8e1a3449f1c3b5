#!/bin/sh
# Installs pg_triage into a PostgreSQL server of the major version and the processor that this
# package is built for; its name tells both. Needs no compiler. Nothing is restarted: a running
# server keeps the library that it has loaded until its next start.
#
#   ./install.sh
#   PG_CONFIG=/path/to/pg_config ./install.sh    into another server than the one found
#   DESTDIR=/folder ./install.sh                 into a folder that stands for the root of a machine
#   BINDIR=/usr/local/bin ./install.sh           the mail programs go here, not beside psql
set -eu

die() {
    echo "error: $*" >&2
    exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
name=$(basename "$here")
# pg_triage-0.1.0-pg15-x86_64
built_for=${name%-*}
major=${built_for##*-pg}
processor=${name##*-}
case $major in
    1[5-9]) ;;
    *) die "the folder's name says what it is for; call it again as it was in the archive" ;;
esac
[ "$(uname -m)" = "$processor" ] || die "this package is for $processor, this machine is $(uname -m)"

pg_config=${PG_CONFIG:-}
[ -n "$pg_config" ] || for found in "/usr/lib/postgresql/$major/bin/pg_config" "$(command -v pg_config || :)"; do
    if [ -x "$found" ]; then pg_config=$found; break; fi
done
[ -n "$pg_config" ] ||
    die "found no pg_config; install PostgreSQL $major with its development files, or name it: PG_CONFIG=/path/to/pg_config"
case $("$pg_config" --version 2>/dev/null || :) in
    "PostgreSQL $major"[!0-9]*) ;;
    *) die "this package is for PostgreSQL $major, and $pg_config is not of that version; name it: PG_CONFIG=/path/to/pg_config" ;;
esac

# Under another name first: whoever reads meanwhile has the old file or the new one, whole.
put() {
    mode=$1 file=$2 folder=${DESTDIR:-}$3
    target=$folder/$(basename "$file")
    ! cmp -s "$file" "$target" || return 0
    mkdir -p "$folder" 2>/dev/null || :
    [ -w "$folder" ] || die "$folder cannot be written; run this as root"
    cp "$file" "$target.new.$$"
    chmod "$mode" "$target.new.$$"
    mv -f "$target.new.$$" "$target"
    echo "installed $target"
}

# The script last: CREATE EXTENSION finds all of it, or nothing.
put 0755 "$here/lib/pg_triage.so" "$("$pg_config" --pkglibdir)"
for file in "$here"/bin/*; do
    put 0755 "$file" "${BINDIR:-$("$pg_config" --bindir)}"
done
for file in "$here"/extension/*.sql "$here"/extension/*.control; do
    put 0644 "$file" "$("$pg_config" --sharedir)/extension"
done
