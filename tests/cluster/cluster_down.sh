#!/usr/bin/env bash
# Ends the virtual hosts that cluster_up.sh DIR started. A host's PID namespace takes all its processes along.
#
# usage: cluster_down.sh DIR
set -eu -o pipefail

{ [ $# -eq 1 ] && [ -d "$1" ]; } || { echo "usage: $0 DIR" >&2 && exit 64; }
dir=$(cd "$1" && pwd)

# The keepers are bash; any other process with that PID is a later one, and not ours.
is_keeper() { # PID
    [ "$(cat "/proc/$1/comm" 2>/dev/null)" = bash ]
}

for file in "$dir"/node*.pid "$dir/login.pid"; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    if is_keeper "$pid"; then
        children=$(cat "/proc/$pid/task/$pid/children")
        kill -KILL "$pid"
        # of login, which has no PID namespace: its sleep
        # shellcheck disable=SC2086 # several words
        [ -z "$children" ] || kill -KILL $children 2>/dev/null || true
    fi
    rm -f "$file"
done
