#!/bin/sh
# Builds the engine host of one product: jars into target/engine/<product>/lib, our class and the settings into
# target/engine/<product>/classes. Does nothing when neither the pom nor the sources changed.
# usage: scripts/engine.sh camunda|operaton
set -eu

product=${1:-}
case "$product" in
    camunda | operaton) ;;
    *)
        echo "usage: scripts/engine.sh camunda|operaton" >&2
        exit 64
        ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
source=$root/camunda-docker
home=$root/target/engine
mkdir -p "$home"

stamp() {
    (cd "$source" && { echo "$product"; cat pom.xml; find src/main -type f | sort | xargs cat; }) | sha256sum | cut -d' ' -f1
}

# Two runs at once: the second waits here, then finds the stamp of the first.
exec 9>"$home/$product.lock"
flock 9
want=$(stamp)
if [ "$(cat "$home/$product/stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi

echo "building the engine host ($product): Maven fetches about 60 MB the first time" >&2
build=$home/$product.new
log=$home/$product.build.log
rm -rf "$build"
mkdir -p "$build/classes"

fail() {
    echo "the engine host ($product) could not be built: $1" >&2
    grep -E 'ERROR|error:|cannot|Could not' "$log" | head -n 8 >&2 || tail -n 8 "$log" >&2
    echo "the whole log: target/engine/$product.build.log" >&2
    exit 70
}

mvn -q -B -P "$product" -f "$source/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$build/lib" -DincludeScope=runtime >"$log" 2>&1 || fail "Maven failed (no network?)"
find "$source/src/main/java" -name '*.java' -exec \
    javac --release 17 -proc:none -cp "$build/lib/*" -d "$build/classes" {} + >>"$log" 2>&1 || fail "javac failed"
cp "$source"/src/main/resources/* "$build/classes/"
echo "$want" >"$build/stamp"

# Built beside and swapped in, so that an engine that starts meanwhile sees the old host or the new one, never half of one.
rm -rf "$home/$product.old"
[ ! -d "$home/$product" ] || mv "$home/$product" "$home/$product.old"
mv "$build" "$home/$product"
rm -rf "$home/$product.old"
