#!/usr/bin/env bash
# When jobscripts/until_done.sh starts a run again, queues its Slurm job again, or stops; and what slurm.sbatch starts. The run, sheaf
# and scontrol are stand-ins: each start of the run takes a line of a script: tasks that are done after it (of 10), how its run ended,
# its exit code, and perhaps a signal.
#
# usage: test_until_done.sh SOURCE_DIR
set -eu -o pipefail

source_dir=${1:?usage: test_until_done.sh SOURCE_DIR}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
mkdir bin
failures=0

# stand_in NAME: a program; its text comes on stdin
stand_in() {
    { echo '#!/bin/bash' && cat; } >"bin/$1"
    chmod 755 "bin/$1"
}

stand_in sheaf <<'SH'
[ -e out.h5 ] || exit 66
read -r tasks state code <out.h5
case $* in
*--json*) echo "  \"run\": {\"number\": 0, \"state\": \"$state\"" ;;
*) echo "out.h5: sheaf run norm · $tasks of 10 tasks done, 0 failed" ;;
esac
[[ $* != *--exit-code* ]] || [ "$tasks" -eq 10 ] || exit 75
[[ $* != *--exit-code* ]] || [ "$state" != quarantined ] || exit 1
SH
stand_in run <<'SH'
echo start >>log
read -r tasks state code signal < <(sed -n "$(grep -c start log)p" script)
[ -z "${tasks:-}" ] && { echo 'started more often than expected' >>log; exit 64; }
[ "$tasks" = - ] || echo "$tasks $state $code" >out.h5
[ -z "${signal:-}" ] || kill -s "$signal" "$PPID"
exit "$code"
SH
stand_in scontrol <<'SH'
echo "$*" >>log
SH

# expect NAME CODE LOG: of until_done.sh over the script on stdin; REQUEUE=7 where job is set. LOG: what was called, in a line
expect() {
    local code=0 found
    rm -f log out.h5
    [ -z "${there:-}" ] || echo "$there" >out.h5
    cat >script
    PATH=$scratch/bin:$PATH REQUEUE=${job:-} "$source_dir/jobscripts/until_done.sh" out.h5 run 2>said || code=$?
    found=$(tr '\n' ' ' <log)
    if [ "$code" -eq "$2" ] && [ "$found" = "$3 " ]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n  expected exit %s and: %s\n  got exit %s and: %s\n%s\n' "$1" "$2" "$3" "$code" "$found" "$(cat said)"
        failures=$((failures + 1))
    fi
}

expect 'all done at once' 0 'start' <<<'10 finished 0'
expect 'after a crash it is started again' 0 'start start' <<<$'4 running 139\n10 finished 0'
expect 'some are quarantined, the rest is done' 1 'start start' <<<$'4 running 139\n10 quarantined 1'
expect 'a run that is refused' 65 'start' <<<'- - 65'
expect 'five starts in a row bring nothing' 75 'start start start start start start' <<<$'4 running 139\n4 running 139\n4 running 139
4 running 139\n4 running 139\n4 running 139'
expect 'what is drained without a job is started again' 0 'start start' <<<$'4 drained 75\n10 finished 0'
expect 'a signal stops it' 75 'start' <<<'4 drained 75 USR1'

job=7
expect 'a job: all done' 0 'start' <<<'10 finished 0'
expect 'a job: drained before its end, it is queued again' 75 'start requeue 7' <<<'4 drained 75'
there='4 drained 75' expect 'a job: the same when it goes on' 75 'start requeue 7' <<<'6 drained 75'
there='4 drained 75' expect 'a job: it brought nothing, and is not queued again' 75 'start' <<<'4 drained 75'
grep -q 'job 7 brought no task to its end' said || { echo 'FAILED: and says so' && failures=$((failures + 1)); }
expect 'a job: nothing at all' 75 'start' <<<'0 drained 75'
there='4 drained 75' expect 'a job: a launcher that fails is no drained run' 0 'start start' <<<$'- - 1\n10 finished 0'
expect 'a job: a task that takes too long is no reason to leave it' 0 'start start' <<<$'4 running 75\n10 finished 0'
expect 'a job: the warning of Slurm' 75 'start requeue 7' <<<'4 drained 75 USR1'
expect 'a job: the warning of Slurm, after which the run is lost' 75 'start requeue 7' <<<'4 running 137 USR1'
expect 'a job: scancel is for good' 75 'start' <<<'4 drained 75 TERM'
expect 'a job: a run that is refused' 73 'start' <<<'- - 73'
expect 'a job: some failed' 1 'start' <<<'10 quarantined 1'

# ---- what slurm.sbatch starts, where Slurm runs a copy of it ----

mkdir submitted
cp "$source_dir/jobscripts/slurm.sbatch" submitted/slurm.sbatch
stand_in srun <<<"echo \"srun \$*\""
stand_in scontrol <<<"echo '   Command=$scratch/submitted/slurm.sbatch'"
stand_in until_done.sh <<<"echo \"\$REQUEUE: \$*\""
mv bin/until_done.sh submitted
cp submitted/slurm.sbatch spooled

# starts NAME ARGUMENTS COMMAND
starts() {
    local found
    found=$(PATH=$scratch/bin:$PATH SLURM_JOB_ID=7 SLURM_JOB_NODELIST=node1 ARGS=$2 bash spooled 2>said | tail -n 1) || true
    if [ "$found" = "$3" ]; then
        echo "ok: $1"
    else
        printf 'FAILED: %s\n  expected: %s\n  got: %s\n%s\n' "$1" "$3" "$found" "$(cat said)"
        failures=$((failures + 1))
    fi
}

for output in '-o x.h5' '--output x.h5' '--output=x.h5'; do
    starts "goes on: $output" "run inv a.h5:/a $output --resume" "7: x.h5 srun --mpi=pmix sheaf run inv a.h5:/a $output --resume"
done
starts 'the file of resume' 'resume x.h5 --verify' '7: x.h5 srun --mpi=pmix sheaf resume x.h5 --verify'
starts 'options before it' 'resume --verify x.h5' 'srun --mpi=pmix sheaf resume --verify x.h5'
grep -q 'has to stand right behind it' said || { echo 'FAILED: and says so' && failures=$((failures + 1)); }
starts 'a run that does not go on' 'run inv a.h5:/a -o x.h5' 'srun --mpi=pmix sheaf run inv a.h5:/a -o x.h5'
starts 'a sweep' 'sweep inv a.h5:/a -o x.h5' 'srun --mpi=pmix sheaf sweep inv a.h5:/a -o x.h5'
rm submitted/until_done.sh
starts 'no until_done.sh' 'resume x.h5' 'srun --mpi=pmix sheaf resume x.h5'
grep -q 'neither beside .* nor in PATH' said || { echo 'FAILED: and says so' && failures=$((failures + 1)); }

exit $((failures > 0))
