#!/bin/sh
# Runs an agent on a copy of project/, shows what it did, keeps one part of that and undoes the rest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$here/.undo"
cp -Rp "$here/project" "$here/.undo"
cd "$here/.undo"

run() {
	echo "\$ $*"
	"$@"
	echo
}

run nono run -c agent.hcl
run nono session diff --stat
kept=$(cat notes.txt)

# All is put back, and then the one file that the agent was asked for is as it had made it.
run nono session rollback --yes
diff -r ../project . || { echo "this is not as it was" >&2; exit 1; }
test -x run.sh

run nono session rollback --undo --yes
run nono session rollback --yes src photos run.sh TIDY.md
test "$(cat notes.txt)" = "$kept"
diff -r --exclude=notes.txt ../project . || { echo "this is not as it was" >&2; exit 1; }
echo "notes.txt is as the agent has made it, and all else as it was"
cd ..
rm -rf .undo
