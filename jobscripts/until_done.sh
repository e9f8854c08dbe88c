#!/usr/bin/env bash
# Starts a run of Sheaf again until all its tasks are done: after a crash, a kill, a task that took too long. Tasks that kill
# their process are so found and quarantined (--attempts), and the rest gets done.
#
# usage: until_done.sh OUT.h5 COMMAND...
#   for example: until_done.sh products.h5 mpirun -n 8 sheaf run matmul a.h5:/a b.h5:/b -o products.h5 --resume
#   OUT.h5    the results file that COMMAND begins, and then goes on with (--resume)
#
# SHEAF     the program (default: sheaf)
# FRUITLESS how many starts in a row may bring no task to its end (default: 5; more than --attempts and 1)
#
# SIGUSR1, SIGTERM and SIGINT are handed on to COMMAND, which is not started again then. The exit code is that of sheaf status
# --exit-code: 0 all tasks done, 1 all done but some failed, 75 not all done; or what COMMAND itself refused with (64 to 74).
set -u -o pipefail

[ $# -ge 2 ] || {
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0" >&2
    exit 64
}
sheaf=${SHEAF:-sheaf} fruitless=${FRUITLESS:-5} out=$1
shift

stopping=0 child=0
hand_on() { # SIGNAL
    stopping=1
    [ "$child" -eq 0 ] || kill -s "$1" "$child"
}
for name in USR1 TERM INT; do
    # shellcheck disable=SC2064
    trap "hand_on $name" "$name"
done

# Runs a command, and waits for it however many signals come; its exit code.
attend() {
    local code
    "$@" &
    child=$!
    while :; do
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=0
    return "$code"
}

count_done() {
    "$sheaf" status "$out" 2>/dev/null | sed -n '1s/.* · \([0-9]*\) of [0-9]* tasks done.*/\1/p'
}

idle=0 before=$(count_done)
while :; do
    attend "$@"
    code=$?
    [ "$code" -lt 64 ] || [ "$code" -gt 74 ] || exit "$code"
    answer=75
    [ ! -e "$out" ] || {
        "$sheaf" status --exit-code "$out" >/dev/null
        answer=$?
    }
    [ "$answer" -eq 75 ] && [ "$stopping" -eq 0 ] || exit "$answer"
    now=$(count_done)
    idle=$((${now:-0} > ${before:-0} ? 0 : idle + 1))
    before=$now
    [ "$idle" -lt "$fruitless" ] || {
        echo "until_done.sh: $out: $idle starts in a row brought no task to its end: not started again" >&2
        exit 75
    }
    echo "until_done.sh: $out: ${now:-0} tasks done, not all: started again" >&2
done
