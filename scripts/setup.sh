#!/bin/sh
# Installs what is missing on Debian 12 (JDK 17, Maven, PostgreSQL 15, make and a C compiler) and builds the engine hosts.
# Idempotent; takes well under a second when everything is there.
# usage: scripts/setup.sh [camunda] [operaton]     (default: camunda)
set -eu

here=$(cd "$(dirname "$0")" && pwd)

has_jdk() {
    major=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 17 ]
}

has_postgres() {
    [ -z "${PG_BIN:-}" ] || return 0
    for folder in /usr/lib/postgresql/*/bin; do
        major=${folder#/usr/lib/postgresql/}
        [ -x "$folder/initdb" ] && [ "${major%/bin}" -ge 15 ] && return 0
    done
    # Distributions with one PostgreSQL keep it on the path.
    initdb --version 2>/dev/null | grep -Eq ' (1[5-9]|[2-9][0-9])(\.|[a-z]|$)'
}

missing=
has_jdk || missing="$missing openjdk-17-jdk-headless"
command -v mvn >/dev/null || missing="$missing maven"
# librdkafka is built from the source that its crate brings.
command -v make >/dev/null || missing="$missing make"
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
has_postgres || missing="$missing postgresql-15"

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif [ -t 0 ]; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@" # nobody could type a password
    fi
}

install() {
    line="apt-get update && apt-get install -y --no-install-recommends$missing"
    if ! command -v apt-get >/dev/null; then
        echo "missing:$missing. This is not Debian: install what they are called here (or set PG_BIN, JAVA_HOME), then try again." >&2
        exit 69
    fi
    if [ "$(id -u)" != 0 ] && ! as_root true 2>/dev/null; then
        echo "missing:$missing. Neither root nor sudo: run this line as root, then try again:" >&2
        echo "    $line" >&2
        exit 69
    fi
    echo "installing:$missing" >&2
    # Debian's package makes and starts a server of its own. Ours do not need it, so it is told not to; only when we
    # are the ones who bring PostgreSQL to this machine, and only for this one installation.
    quiet=
    case "$missing" in
        *postgresql*)
            if [ ! -e /etc/postgresql-common ]; then
                quiet=/etc/postgresql-common/createcluster.d/fallout.conf
                as_root sh -c "mkdir -p '${quiet%/*}' && echo 'create_main_cluster = false' >'$quiet'"
            fi
            ;;
    esac
    status=0
    # One word per package.
    # shellcheck disable=SC2086
    { as_root apt-get -qq update && as_root apt-get -qq install -y --no-install-recommends $missing; } >&2 || status=$?
    [ -z "$quiet" ] || as_root rm -f "$quiet"
    if [ "$status" != 0 ]; then
        echo "apt-get failed (see above). The line to run as root, once it can work: $line" >&2
        exit 69
    fi
}

[ -z "$missing" ] || install
[ $# -gt 0 ] || set -- camunda
for product in "$@"; do
    "$here/engine.sh" "$product"
done
