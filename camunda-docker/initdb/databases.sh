#!/bin/sh
# Run once by the Postgres image on an empty volume: one role and one database for the engine, one for us, and neither
# may enter the other's. Ours has a second role, which owns nothing: the program's.
set -eu

for name in fallout camunda; do
    case "$name" in
        fallout) password=$FALLOUT_OWNER_DB_PASSWORD ;;
        camunda) password=$CAMUNDA_DB_PASSWORD ;;
    esac
    # By standard input, not as an argument: arguments can be read by everyone.
    psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" <<SQL
\\set password '$password'
create role $name login password :'password';
create database $name owner $name;
revoke all on database $name from public;
SQL
done

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" <<SQL
\\set password '$FALLOUT_DB_PASSWORD'
create role fallout_app login password :'password';
grant connect on database fallout to fallout_app;
SQL
