#!/usr/bin/env bash
# Runs a command, usually mpirun, in the login namespace of cluster_up.sh's virtual hosts, with Open MPI set up for them.
#
# usage: cluster_run.sh DIR COMMAND...
set -eu -o pipefail

[ $# -ge 2 ] || { echo "usage: $0 DIR COMMAND..." >&2 && exit 64; }
dir=$(cd "$1" && pwd)
shift

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_plm=rsh OMPI_MCA_plm_rsh_agent=$dir/agent OMPI_MCA_orte_default_hostfile=$dir/hostfile
export OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=eth0
# The hosts share the same few cores: bound, each host's "core 0" would be one core, and a message take 4 ms.
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
export TMPDIR=$dir/tmp-login
exec nsenter -t "$(cat "$dir/login.pid")" --net --uts --mount --ipc --wd="$PWD" -- "$@"
