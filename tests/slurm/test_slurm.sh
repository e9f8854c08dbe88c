#!/usr/bin/env bash
# The job script that users copy, submitted as it is to a real Slurm with two virtual nodes, by srun and by mpirun: the
# same bytes as without Slurm; and Sheaf's exit code is the job's.
#
# usage: test_slurm.sh SHEAF SOURCE_DIR
set -eu -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cluster/harness.sh
. "$here/../cluster/harness.sh"
sheaf=$(realpath "${1:?usage: test_slurm.sh SHEAF SOURCE_DIR}")
source_dir=$(realpath "${2:?usage: test_slurm.sh SHEAF SOURCE_DIR}")

need_commands mpirun unshare ip munged slurmctld slurmd sbatch srun scontrol
need_namespaces
find_python
isolate "$sheaf" "$source_dir"

# A network that has only its loopback counts as no network: names are not resolved, and Open MPI has no interface.
ip link add eth0 type bridge
ip addr add 10.77.1.1/24 dev eth0
ip link set eth0 up

export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
# Whatever else this machine computes is no finding.
export SHEAF_NEIGHBOURS=0
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

job_state() { # JOB
    scontrol show job "$1" | sed -n 's/^ *JobState=\([A-Z_]*\).*/\1/p'
}

job_exit_code() { # JOB
    scontrol show job "$1" | sed -n 's/.* ExitCode=\([0-9]*\):.*/\1/p'
}

# start_job LAUNCHER ARGUMENTS...: the template, over two nodes, or as options says; sets job
start_job() {
    local launcher=$1
    shift
    job=$(LAUNCHER=$launcher SHEAF=$program ARGS="$*" sbatch --parsable "${options[@]}" --time=2 \
        "$source_dir/jobscripts/slurm.sbatch")
}
two_nodes=(--nodes=2 --ntasks-per-node=2 --cpus-per-task=1)
options=("${two_nodes[@]}") program=$sheaf

# Waits for the end of the job, at most 90 seconds; sets code
await_job() {
    for _ in $(seq 450); do
        case $(job_state "$job") in
        PENDING | CONFIGURING | RUNNING | COMPLETING) sleep 0.2 ;;
        *)
            code=$(job_exit_code "$job")
            return
            ;;
        esac
    done
    show_job
    fail "job $job is $(job_state "$job") after 90 seconds"
}

submit() { # LAUNCHER ARGUMENTS...
    start_job "$@"
    await_job
}

show_job() {
    cat "sheaf-$job.out" >&2 || true
    tail -n 5 "$scratch"/slurm/log/*.log >&2
}

expect_job_code() { # CODE
    [ "$code" -eq "$1" ] || { show_job && fail "job $job ended with $code instead of $1"; }
}

"$here/slurm_up.sh" "$scratch/slurm" 2 2
trap '"$here/slurm_down.sh" "$scratch/slurm"; leave_isolation' EXIT
export SLURM_CONF=$scratch/slurm/slurm.conf

"$sheaf" make beams.h5 a=random:200x200 b=random:200x200 --count 24
mpirun -n 1 "$sheaf" run matmul beams.h5:/a beams.h5:/b -o one.h5 --layout 1x1
# Ranks that have what Slurm granted have nothing to be refused for; one core cannot be two ranks'.
strict=()
[ "$(nproc)" -lt 2 ] || strict=(--strict)
for launcher in srun mpirun; do
    submit "$launcher" run matmul beams.h5:/a beams.h5:/b -o "$launcher.h5" "${strict[@]}"
    expect_job_code 0
    expect_nodes "$launcher.h5" 2 4
    grep -q 'layout 2x1:1 (auto: ' "sheaf-$job.out" || { show_job && fail "$launcher: the layout is not chosen by itself"; }
done
"$python" "$here/../cluster/compare_products.py" beams.h5 one.h5 srun.h5 mpirun.h5

for launcher in srun mpirun; do
    submit "$launcher" run matmul absent.h5:/a absent.h5:/b -o absent-out.h5
    expect_job_code 66
    grep -q 'absent\.h5' "sheaf-$job.out" || fail "$launcher: the job's output does not name the missing file"
done

for launcher in srun mpirun; do
    submit "$launcher" run matmul beams.h5:/a beams.h5:/b -o strict.h5 --layout 2x512:1 --strict
    expect_job_code 71
    [ "$(grep -c '^sheaf: node.*: layout 2x512 wants 1024 cores' "sheaf-$job.out")" -eq 2 ] ||
        fail "$launcher: the job's output does not tell of both nodes"
done

# Until some of its tasks are done, at most 60 seconds.
await_progress() { # FILE
    for _ in $(seq 300); do
        case $("$sheaf" status --json "$1" 2>/dev/null) in
        *'"done": 0,'* | '') sleep 0.2 ;;
        *) return ;;
        esac
    done
    show_job
    fail "job $job commits nothing to $1"
}

long=(norm random:200x200 --param ord=2 --count)

# A signal to the job, as --signal=B:USR1@60 sends it before the time limit: what is computed is committed, and the rest is done
# by whoever goes on.
for launcher in srun mpirun; do
    start_job "$launcher" run "${long[@]}" 1200 -o "drained-$launcher.h5"
    await_progress "drained-$launcher.h5"
    scancel --batch --signal=USR1 "$job"
    await_job
    expect_job_code 75
    grep -q "^sheaf: drained-$launcher.h5: stopped by .*SIGUSR1: [0-9]* of 1200 tasks done, [0-9]* left" "sheaf-$job.out" ||
        { show_job && fail "$launcher: the job's output does not tell what is left"; }
    "$sheaf" status --json "drained-$launcher.h5" | grep -q '"state": "drained"' || fail "$launcher: not drained"
    [ ! -e "drained-$launcher.h5.lock" ] || fail "$launcher: a drained run leaves its lock"
done
expect_code 0 mpirun -n 2 "$sheaf" resume drained-srun.h5 --layout 2x1
expect_code 0 "$sheaf" status --exit-code drained-srun.h5

# A job that was killed leaves its lock, on a host that is not ours: Slurm knows that it has ended.
start_job srun run "${long[@]}" 100000 -o killed.h5
await_progress killed.h5
expect_code 73 "$sheaf" run "${long[@]}" 100000 -o killed.h5 --resume 2>held.txt
grep -q "^sheaf: killed.h5: another run writes it: pid [0-9]* on node[12], Slurm job $job, started .*which cannot be seen" held.txt ||
    fail "the refusal does not name the job: $(cat held.txt)"
kill -KILL "$(sed -n "s/^pid //p" killed.h5.lock)"
await_job
[ -e killed.h5.lock ] || { show_job && fail "a job that was killed leaves no lock"; }
expect_code 75 mpirun -n 2 "$sheaf" resume killed.h5 --layout 2x1 --time-limit 3 2>taken.txt
grep -q "^sheaf: .*killed.h5: taken over from another run, which has ended: pid [0-9]* on node[12], Slurm job $job," taken.txt ||
    fail "it is not told whose lock was taken over: $(cat taken.txt)"

# One line for the first and every later start: a job that is cut at its limit is queued again, goes on, and ends when all is done. An
# administrator moves its end near before Sheaf looks for it (limits are minutes); Slurm's own warning, which may come at any time then,
# is none. The other one is asked to stop, as by that warning.
cat >limited.sh <<SH
#!/bin/sh
! mkdir moved 2>/dev/null || scontrol update JobId=\$SLURM_JOB_ID EndTime=\$(date -d '8 seconds' +%FT%T)
exec "$sheaf" "\$@"
SH
chmod 755 limited.sh
rate=$("$sheaf" status --json killed.h5 | sed -n 's/.*"tasks_per_second": \([0-9]*\).*/\1/p')
[ "${rate:-0}" -gt 0 ] || fail "killed.h5 has no rate"
one_core=(--nodelist=node1 --nodes=1 --ntasks-per-node=1 --cpus-per-task=1)
options=("${one_core[@]}" --signal=B:URG@1)
program=$scratch/limited.sh
start_job srun run "${long[@]}" $((rate * 6)) -o limited.h5 --resume
limited=$job
options=("${one_core[@]}") program=$sheaf
start_job mpirun run "${long[@]}" 1500 -o asked.h5 --resume
asked=$job
await_progress asked.h5
scancel --batch --signal=USR1 "$asked"

# On the other node meanwhile: a sweep in a job. What it prints to paste is right there: the command in a job like its own, the options
# for a job script.
for launcher in srun mpirun; do
    options=(--nodelist=node2 --nodes=1 --ntasks-per-node=2 --cpus-per-task=1)
    layout=1x2:2
    [ "$launcher" = srun ] || layout=2x1:1
    submit "$launcher" sweep "${long[@]}" 100 --layouts "$layout" --seconds 1
    expect_job_code 0
    use=$(sed -n "s|^use:  ||p" "sheaf-$job.out") pasted=$(sed -n 's/^or :  #SBATCH //p' "sheaf-$job.out")
    [[ $use == *"sheaf run ${long[*]:0:2}"*" --layout $layout -o OUT.h5" ]] || fail "$launcher: no command to paste: $use"
    [ "$pasted" = "--nodes=1 --ntasks-per-node=${layout%x*} --cpus-per-task=$((2 / ${layout%x*}))" ] ||
        fail "$launcher: other options to paste: $pasted"
    use=${use/sheaf run/$sheaf run}
    job=$(sbatch --parsable "${options[@]}" --time=2 --output=sheaf-%j.out --wrap "${use/OUT.h5/used-$launcher.h5}")
    await_job
    expect_job_code 0
    expect_nodes "used-$launcher.h5" 1 "${layout%x*}"
    read -r -a options <<<"--nodelist=node2 $pasted"
    submit "$launcher" run "${long[@]}" 100 --layout "$layout" -o "pasted-$launcher.h5"
    expect_job_code 0
    expect_nodes "pasted-$launcher.h5" 1 "${layout%x*}"
done

# A run that is refused is not queued again, and not started again.
submit srun run norm absent.h5:/a -o absent-out.h5 --resume
expect_job_code 66
[ "$(grep -c 'cannot open absent.h5' "sheaf-$job.out")" -eq 1 ] || { show_job && fail "a run that is refused is started again"; }

for pair in "limited $limited" "asked $asked"; do
    read -r file job <<<"$pair"
    await_job
    expect_job_code 0
    expect_code 0 "$sheaf" status --exit-code "$file.h5"
    restarts=$(scontrol show job "$job" | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p')
    [ "$restarts" -ge 1 ] || { show_job && fail "$file: the job was not cut and queued again"; }
    grep -q "^until_done.sh: $file.h5: [0-9]* tasks done, not all: job $job is queued again" "sheaf-$job.out" ||
        { show_job && fail "$file: the job's output does not tell why it is queued again"; }
    "$python" "$here/computed_once.py" "$file.h5" "sheaf-$job.out" || { show_job && fail "$file: tasks were computed again"; }
done
