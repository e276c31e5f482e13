#!/bin/sh
# Regenerates workers/store/.sqlx, what the queries of the store look like to the database, on a throw-away PostgreSQL
# with our migrations applied. The build reads these files and needs no database.
# usage: scripts/sqlx.sh               regenerate
#        scripts/sqlx.sh --check       regenerate, and fail when that changed a file
#        scripts/sqlx.sh --serve DIR   only serve such a database below DIR, until Ctrl-C
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
store=$root/workers/store
mode=${1:-generate}
case "$mode" in
    generate | --check) base=$(mktemp -d /tmp/fallout-sqlx.XXXXXX) ;;
    --serve)
        mkdir -p "${2:?--serve needs a directory}"
        base=$(mktemp -d "$(cd "$2" && pwd)/pg.XXXXXX")
        ;;
    *)
        echo "usage: scripts/sqlx.sh [--check | --serve DIR]" >&2
        exit 64
        ;;
esac

bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)}
[ -x "$bin/initdb" ] || { echo "no PostgreSQL found: run make setup, or set PG_BIN" >&2; exit 69; }

# PostgreSQL refuses root.
drop=
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$base"
    drop="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --"
fi

server=
finish() {
    trap - EXIT INT TERM
    [ -z "$server" ] || { kill -INT "$server" 2>/dev/null && wait "$server" || true; }
    rm -rf "$base"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Nothing here outlives the script, so nothing has to be durable.
export LC_ALL=C.UTF-8
cd /
# $drop is several words, or none.
# shellcheck disable=SC2086
$drop "$bin/initdb" -A trust -U postgres -E UTF8 --locale=C.UTF-8 -N -D "$base/data" >"$base/log" 2>&1 ||
    { tail -n 5 "$base/log" >&2; exit 70; }
# shellcheck disable=SC2086
$drop "$bin/postgres" -D "$base/data" -k "$base" -c listen_addresses= -c fsync=off >>"$base/log" 2>&1 &
server=$!
tries=0
until "$bin/pg_isready" -q -h "$base"; do
    tries=$((tries + 1))
    kill -0 "$server" 2>/dev/null && [ "$tries" -lt 300 ] || { tail -n 5 "$base/log" >&2; exit 70; }
    sleep 0.1
done

psql() {
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$base" -U postgres "$@"
}
psql -d postgres -c 'create role fallout login' -c 'create database fallout owner fallout'
for migration in "$root"/migrations/*.sql; do
    [ -e "$migration" ] || continue
    psql -U fallout -d fallout --single-transaction -f "$migration"
done

url="postgres:///fallout?host=$base&user=fallout"
if [ "$mode" = --serve ]; then
    echo "DATABASE_URL=$url"
    wait "$server"
    exit 0
fi

# Written beside and swapped in: a query that does not compile leaves the old files.
mkdir -p "$store/.sqlx" "$base/out"
touch "$store/src/lib.rs"
cd "$root"
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$base/out" DATABASE_URL="$url" cargo check -q -p fallout-store
rm -f "$store"/.sqlx/query-*.json
for query in "$base"/out/query-*.json; do
    [ ! -e "$query" ] || cp "$query" "$store/.sqlx/"
done
echo "$(find "$store/.sqlx" -name 'query-*.json' | wc -l) queries in workers/store/.sqlx" >&2

if [ "$mode" = --check ]; then
    changed=$(git -C "$root" status --porcelain -- workers/store/.sqlx)
    [ -z "$changed" ] || { echo "workers/store/.sqlx was not up to date: run make sqlx and commit" >&2; echo "$changed" >&2; exit 1; }
fi
