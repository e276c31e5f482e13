#!/bin/sh
# Fetches the jars of the Kafka broker into target/kafka/lib. Does nothing when the pom did not change.
# usage: scripts/kafka.sh
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
source=$root/camunda-docker/kafka
home=$root/target/kafka
mkdir -p "$home"

# Two runs at once: the second waits here, then finds the stamp of the first.
exec 9>"$home/lock"
flock 9
want=$(cat "$source/pom.xml" "$source/log4j2.properties" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$home/stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi

echo "fetching the Kafka broker: Maven fetches about 45 MB the first time" >&2
log=$home/build.log
rm -rf "$home/lib.new"
mvn -q -B -f "$source/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/lib.new" -DincludeScope=runtime >"$log" 2>&1 || {
    echo "the Kafka broker could not be fetched: Maven failed (no network?)" >&2
    grep -E 'ERROR|cannot|Could not' "$log" | head -n 8 >&2 || tail -n 8 "$log" >&2
    exit 70
}
cp "$source/log4j2.properties" "$home/log4j2.properties"
rm -rf "$home/lib"
mv "$home/lib.new" "$home/lib"
echo "$want" >"$home/stamp"
