# shellcheck shell=bash
# Shared by the scripts beside it: `source` it first. Works from any directory.

set -euo pipefail

# A strict umask would leave files behind that the server's user cannot read.
umask 022

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
scripts=$project/scripts
# rustup puts cargo here, but only login shells have it on PATH. Last, so that a
# toolchain which the caller chose wins.
PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

say() {
    echo "==> $*"
}

die() {
    echo "error: $*" >&2
    exit 1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# "15" from "PostgreSQL 15.20 (Debian 15.20-0+deb12u1)"
major_of() {
    "$1" --version | sed -nE 's/^PostgreSQL ([0-9]+).*/\1/p'
}

is_supported() {
    local major
    [ -x "$1" ] && major=$(major_of "$1" 2>/dev/null) && [[ $major =~ ^1[5-8]$ ]]
}

# Prints the pg_config to build against; fails silently when there is none.
find_pg_config() {
    local debian=/usr/lib/postgresql/15/bin/pg_config
    if [ -n "${PG_CONFIG:-}" ]; then
        is_supported "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG is not the pg_config of PostgreSQL 15 to 18"
        echo "$PG_CONFIG"
    elif is_supported "$debian"; then
        echo "$debian"
    elif is_supported "$(command -v pg_config)"; then
        command -v pg_config
    else
        return 1
    fi
}

pg_config() {
    local path
    path=$(find_pg_config) || die "found no PostgreSQL 15 to 18; run: make setup"
    "$path" "$@"
}

pg_major() {
    local path
    path=$(find_pg_config) || die "found no PostgreSQL 15 to 18; run: make setup"
    major_of "$path"
}

bindir() {
    pg_config --bindir
}

# PostgreSQL refuses to run as root: then it runs as the system user postgres,
# without root's environment and away from root's working directory, which that
# user may not be able to enter.
as_server_user() {
    if ! is_root; then
        (cd / && "$@")
        return
    fi
    id postgres >/dev/null 2>&1 || die "PostgreSQL refuses to run as root and there is no system user postgres"
    (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups --reset-env \
        env HOME=/tmp LC_ALL=C.UTF-8 "$@")
}

# Nothing here asks for a password.
can_be_root() {
    is_root || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

as_root() {
    if is_root; then
        "$@"
    elif can_be_root; then
        sudo -n "$@"
    else
        die "this needs root, and sudo is not available without a password; run as root: $*"
    fi
}

# Root may always write; so may someone who built their own PostgreSQL.
can_install() {
    [ -w "$(pg_config --pkglibdir)" ] && [ -w "$(pg_config --sharedir)/extension" ]
}
