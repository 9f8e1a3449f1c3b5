# shellcheck shell=bash
# Shared by the scripts beside it: `source` it first. Works from any directory.

set -euo pipefail

# What a caller prefers must not show in what the scripts and the tests do: where psql connects
# and with which options, language, time zone, a strict umask (it would leave files behind that
# the server's user cannot read), what else Rust should build or print. What is chosen on purpose
# stays: PG_CONFIG, PG_TRIAGE_*, CARGO_HOME, CARGO_TARGET_DIR.
own_environment() {
    local name
    for name in $(compgen -e); do
        case $name in
            PG_CONFIG | PG_TRIAGE_*) ;;
            PG* | LC_* | LANG | LANGUAGE | PYTEST_* | PYTHON* | RUST_BACKTRACE | RUST_LIB_BACKTRACE | CARGO_BUILD_TARGET | CDPATH)
                unset "$name"
                ;;
        esac
    done
    export LC_ALL=C.UTF-8 TZ=UTC PSQLRC=/dev/null
    umask 022
}
own_environment

# A relative path would lead elsewhere once a script changes its folder.
case ${PG_CONFIG:-} in
    "" | /*) ;;
    */*) export PG_CONFIG=$PWD/$PG_CONFIG ;;
esac

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck disable=SC2034 # used by the scripts that source this
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
    local debian=/usr/lib/postgresql/15/bin/pg_config given
    if [ -n "${PG_CONFIG:-}" ]; then
        given=$(command -v -- "$PG_CONFIG") || given=
        is_supported "$given" || die "PG_CONFIG=$PG_CONFIG is not the pg_config of PostgreSQL 15 to 18"
        echo "$given"
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

# The version of everything in the workspace.
version() {
    sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$project/Cargo.toml"
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

# For cargo, which reads .cargo/config.toml, too: the one server whose headers are read.
export_pg_config_path() {
    PGRX_PG_CONFIG_PATH=$(find_pg_config) || die "found no PostgreSQL 15 to 18; run: make setup"
    export PGRX_PG_CONFIG_PATH
}

# A virtual environment of Python in folder $1 with the packages of file $2. The stamp tells a
# finished one of these versions from any other.
make_venv() {
    local venv=$1 requirements=$2
    ! cmp -s "$requirements" "$venv/installed" || return 0
    say "installing ${requirements#"$project/"} into ${venv#"$project/"} (first time only)"
    rm -rf "$venv"
    python3 -m venv "$venv" || return
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$requirements" || return
    cp "$requirements" "$venv/installed"
}
