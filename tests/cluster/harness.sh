# shellcheck shell=bash
# What the tests on virtual hosts and on Slurm share. Sourced by them.
#
# Everything such a test starts or writes lives in namespaces of its own: a PID namespace, so that its end is the end of
# every process it started, however it comes; a network namespace, so that its ports and addresses meet nobody's; a tmpfs
# on a scratch directory, so that no file outlives it.

export PATH=$PATH:/usr/sbin:/sbin

# skip REASON...: CTest's word for it is exit code 77
skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

need_commands() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || skip "$command is not installed (jobscripts/setup.sh --tests)"
    done
}

need_namespaces() {
    local why
    [ "$(id -u)" -eq 0 ] || skip "virtual hosts need root"
    why=$(unshare --net --uts --mount --ipc --pid --fork --mount-proc true 2>&1) ||
        skip "namespaces are not permitted here ($why)"
}

# Sets python to one that has h5py: the first in PATH need not be the system's.
find_python() {
    for python in /usr/bin/python3 python3; do
        "$python" -c 'import h5py, numpy' 2>/dev/null && return
    done
    skip "no python3 with h5py and numpy (jobscripts/setup.sh --tests)"
}

leave_isolation() {
    cd /
    umount --lazy "$scratch" && rmdir "$scratch"
}

# A host name of our own that resolves without a network; some minimal images have no /etc/hosts to mount over.
name_ourselves() { # NAME
    hostname "$1"
    printf '127.0.0.1 localhost %s\n' "$1" >"$scratch/hosts"
    if [ ! -e /etc/hosts ]; then
        cp -a /etc "$scratch/etc"
        : >"$scratch/etc/hosts"
        mount --bind "$scratch/etc" /etc
    fi
    mount --bind "$scratch/hosts" /etc/hosts
}

# isolate ARGUMENTS...: starts the calling test again, with the same arguments, in namespaces of its own, and there sets
# scratch to an empty directory. The second time it returns.
isolate() {
    if [ -z "${SHEAF_TEST_SCRATCH:-}" ]; then
        SHEAF_TEST_SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/sheaf-test.XXXXXX")
        export SHEAF_TEST_SCRATCH
        exec unshare --net --uts --mount --ipc --pid --fork --kill-child --mount-proc bash "$0" "$@"
    fi
    scratch=$SHEAF_TEST_SCRATCH
    unset SHEAF_TEST_SCRATCH
    trap leave_isolation EXIT
    # bash is the init of its PID namespace here: a signal that it does not trap is ignored
    trap 'exit 130' HUP INT TERM
    mount -t tmpfs -o size=512m,mode=755 sheaf-test "$scratch"
    chmod 755 "$scratch"
    mount -t tmpfs -o size=512m,mode=1777 shm /dev/shm
    mkdir -m 1777 "$scratch/tmp"
    export TMPDIR=$scratch/tmp
    ip link set lo up
    name_ourselves login
    cd "$scratch" || fail "no $scratch"
}

# expect_code CODE COMMAND...: runs it and fails unless it ends with CODE
expect_code() {
    local expected=$1 code=0
    shift
    "$@" || code=$?
    [ "$code" -eq "$expected" ] || fail "exit code $code instead of $expected: $*"
}

# expect_nodes FILE NODES RANKS: that many took part in the run that wrote it; without this a run on one host would pass
expect_nodes() {
    "$python" - "$@" <<'PYTHON' || exit 1
import sys
import h5py

name, nodes, ranks = sys.argv[1:]
with h5py.File(name) as file:
    run = file["sheaf/runs"][0]
if (run["nodes"], run["ranks"]) != (int(nodes), int(ranks)):
    sys.exit(f"FAILED: {name}: {run['ranks']} ranks on {run['nodes']} nodes, expected {ranks} on {nodes}")
PYTHON
}
