#!/usr/bin/env bash
# Starts a run of Sheaf again until all its tasks are done: after a crash, a kill, a task that took too long. Tasks that kill
# their process are so found and quarantined (--attempts), and the rest gets done.
#
# usage: until_done.sh OUT.h5 COMMAND...
#   for example: until_done.sh products.h5 mpirun -n 8 sheaf run matmul a.h5:/a b.h5:/b -o products.h5 --resume
#   OUT.h5    the results file that COMMAND begins, and then goes on with (--resume)
#
# SHEAF     the program (default: sheaf)
# FRUITLESS how many starts in a row may bring no task nearer to its end: done, or one of its attempts (default: 5)
# REQUEUE   a Slurm job, this one: when its time is over, as Sheaf sees itself or Slurm tells by SIGUSR1, it is queued again to go on
#           (as slurm.sbatch does), unless it brought no task to its end. What ends a job for good (scancel) sends SIGTERM
#
# SIGUSR1, SIGTERM and SIGINT are handed on to COMMAND, which is not started again then. The exit code is that of sheaf status
# --exit-code: 0 all tasks done, 1 all done but some failed, 75 not all done; or what COMMAND itself refused with (64 to 74).
set -u -o pipefail

[ $# -ge 2 ] || {
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0" >&2
    exit 64
}
sheaf=${SHEAF:-sheaf} fruitless=${FRUITLESS:-5} job=${REQUEUE:-} out=$1
shift

stopping='' child=0
hand_on() { # SIGNAL
    stopping=$1
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

# How often tasks that are not at their end have failed, so far: each of them has its number of attempts.
count_attempts() {
    "$sheaf" status --json "$out" 2>/dev/null | sed -n 's/.*"attempts": \([0-9]*\).*/\1/p'
}

say() {
    echo "until_done.sh: $out: $*" >&2
}

# The latest start ended of itself, as before the end of its Slurm job: another one would find as little time.
is_drained() {
    "$sheaf" status --json "$out" 2>/dev/null | grep -q '"state": "drained"'
}

# A job ends that has not done all; it goes on in another one where that has sense, which ends this.
leave() {
    [ -n "$job" ] && [[ $stopping =~ ^(USR1)?$ ]] || exit 75
    [ "$now" -gt "$first" ] || {
        say "job $job brought no task to its end: not queued again; give it more time (sbatch --time)"
        exit 75
    }
    say "$now tasks done, not all: job $job is queued again"
    scontrol requeue "$job" || say "job $job cannot be queued again: submit it again to go on"
    exit 75
}

idle=0 first=$(count_done) charged=$(count_attempts)
first=${first:-0} before=${first:-0} charged=${charged:-0}
while :; do
    attend "$@"
    code=$?
    [ "$code" -lt 64 ] || [ "$code" -gt 74 ] || exit "$code"
    answer=75
    [ ! -e "$out" ] || {
        "$sheaf" status --exit-code "$out" >/dev/null
        answer=$?
    }
    [ "$answer" -eq 75 ] || exit "$answer"
    now=$(count_done)
    now=${now:-0}
    [ -z "$stopping" ] || leave
    [ -z "$job" ] || [ "$code" -ne 75 ] || ! is_drained || leave
    attempts=$(count_attempts)
    idle=$((idle + 1))
    [ "$now" -le "$before" ] && [ "${attempts:-0}" -eq "$charged" ] || idle=0
    before=$now charged=${attempts:-0}
    [ "$idle" -lt "$fruitless" ] || {
        say "$idle starts in a row brought no task nearer to its end: not started again"
        exit 75
    }
    say "$now tasks done, not all: started again"
done
