#!/usr/bin/env bash
# A real Slurm on this machine: munged, slurmctld and a slurmd for each of NODES virtual nodes (node1, node2, ...), all on
# the loopback interface, without systemd, accounts or a database. Needs root. Daemons that run already stay.
# Afterwards:  export SLURM_CONF=DIR/slurm.conf           The end of it:  slurm_down.sh DIR
#
# usage: slurm_up.sh DIR [NODES=2] [CPUS_PER_NODE=2]     (SLURM_FIRST_PORT=26817: slurmctld's, the nodes' follow)
set -eu -o pipefail

[ $# -ge 1 ] || { echo "usage: $0 DIR [NODES] [CPUS_PER_NODE]" >&2 && exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
nodes=${2:-2} cpus=${3:-2} port=${SLURM_FIRST_PORT:-26817}
export PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF=$dir/slurm.conf

# wait_until SECONDS COMMAND...
wait_until() {
    local tries=$(($1 * 20))
    shift
    until "$@"; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.05
    done
}

runs() { # NAME PID_FILE
    [ -s "$2" ] && [ "$(cat "/proc/$(cat "$2")/comm" 2>/dev/null)" = "$1" ]
}

# start NAME PID_FILE COMMAND...: a daemon, which writes its PID file itself
start() {
    local name=$1 pid_file=$2
    shift 2
    runs "$name" "$pid_file" && return
    rm -f "$pid_file"
    "$@" </dev/null >"$dir/log/$(basename "$pid_file" .pid).start" 2>&1 || true
    wait_until 10 runs "$name" "$pid_file" || {
        echo "$name did not start:" >&2
        tail -n 5 "$dir"/log/* >&2
        exit 1
    }
}

write_conf() {
    local i
    cat <<CONF
ClusterName=sheaf
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
AuthType=auth/munge
CredType=cred/munge
# a requeued job starts only when its old credential has expired: 5 seconds instead of 2 minutes
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
TmpFS=$dir/tmp-%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
PlugStackConfig=/dev/null
# neither cgroups nor affinity: the nodes share the same few cores, and a container need not have cgroups
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,bf_interval=5,sched_interval=5
SwitchType=switch/none
ReturnToService=2
# believe the node lines below, not the machine
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmdTimeout=15
KillWait=5
MailProg=/bin/true
PropagateResourceLimits=NONE
CONF
    for i in $(seq "$nodes"); do
        echo "NodeName=node$i NodeHostname=node$i NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=$cpus Boards=1" \
            "SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN"
    done
    echo "PartitionName=main Nodes=node[1-$nodes] Default=YES MaxTime=UNLIMITED DefaultTime=10 State=UP"
}

write_hosts() {
    local i
    echo "127.0.0.1 localhost $(hostname -s)"
    for i in $(seq "$nodes"); do echo "127.0.0.1 node$i"; done
}

start_munge() {
    [ -s "$dir/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
    start munged "$dir/munged.pid" munged --key-file="$dir/munge.key" --socket="$dir/munge.socket" \
        --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" --seed-file="$dir/munged.seed" --num-threads=2
}

# Own host name and /dev/shm: Open MPI names its shared segments after host and local rank, so two nodes of one name
# would share, and spoil, a segment.
# shellcheck disable=SC2016 # expanded by the shell that runs it
node='hostname "$1" && mount -t tmpfs -o size=512m,mode=1777 shm /dev/shm && mount --bind "$2/hosts" /etc/hosts &&
    exec slurmd -f "$2/slurm.conf" -N "$1"'

start_node() { # NAME
    mkdir -p "$dir/spool-$1" "$dir/tmp-$1"
    chmod 1777 "$dir/tmp-$1"
    start slurmd "$dir/slurmd-$1.pid" unshare --uts --mount --propagation=slave sh -c "$node" node "$1" "$dir"
}

all_ready() {
    [ "$(sinfo -h -N -o '%T' 2>/dev/null | grep -cE '^(idle|mixed|allocated)$')" -ge "$nodes" ]
}

# munged refuses a socket below a directory that others may write to
chmod 755 "$dir"
mkdir -p "$dir/state" "$dir/log"
[ -s "$dir/slurm.conf" ] || write_conf >"$dir/slurm.conf"
write_hosts >"$dir/hosts"
start_munge
start slurmctld "$dir/slurmctld.pid" slurmctld -f "$dir/slurm.conf"
for i in $(seq "$nodes"); do
    start_node "node$i"
done
wait_until 20 all_ready || { echo "nodes are not ready:" && sinfo -N -o '%N %T %E' && exit 1; } >&2
