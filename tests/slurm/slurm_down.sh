#!/usr/bin/env bash
# Ends the Slurm that slurm_up.sh DIR started, by its PID files.
#
# usage: slurm_down.sh DIR
set -eu -o pipefail

{ [ $# -eq 1 ] && [ -d "$1" ]; } || { echo "usage: $0 DIR" >&2 && exit 64; }
dir=$(cd "$1" && pwd)
export SLURM_CONF=$dir/slurm.conf

runs() { # NAME PID
    [ "$(cat "/proc/$2/comm" 2>/dev/null)" = "$1" ]
}

stop() { # NAME PID_FILE
    local pid
    [ -s "$2" ] || return 0
    pid=$(cat "$2")
    if runs "$1" "$pid"; then
        kill -TERM "$pid"
        for _ in $(seq 100); do
            runs "$1" "$pid" || break
            sleep 0.1
        done
        ! runs "$1" "$pid" || kill -KILL "$pid"
    fi
    rm -f "$2"
}

# First the jobs, so that no slurmstepd outlives its slurmd.
end_jobs() {
    timeout 10 scancel --quiet --user=root || return 0
    for _ in $(seq 100); do
        [ -n "$(timeout 5 squeue --noheader)" ] || return 0
        sleep 0.1
    done
}

if [ -s "$dir/slurmctld.pid" ] && runs slurmctld "$(cat "$dir/slurmctld.pid")"; then
    end_jobs
fi
for file in "$dir"/slurmd-*.pid; do
    stop slurmd "$file"
done
stop slurmctld "$dir/slurmctld.pid"
stop munged "$dir/munged.pid"
