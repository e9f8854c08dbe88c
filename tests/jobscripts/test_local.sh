#!/usr/bin/env bash
# What jobscripts/local.sh decides: how many beams of which size, on how many cores. It runs in a tree of its own, where
# cmake, mpirun, sheaf and the tools that tell of disk and cores are stand-ins.
#
# usage: test_local.sh SOURCE_DIR
set -eu -o pipefail

source_dir=${1:?usage: test_local.sh SOURCE_DIR}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

mkdir -p "$scratch/bin" "$scratch/jobscripts" "$scratch/build/release/app"
cp "$source_dir"/jobscripts/{local,mpi_environment}.sh "$scratch/jobscripts"

# stand_in FILE: a program; its text comes on stdin
stand_in() {
    { echo '#!/bin/sh' && cat; } >"$scratch/$1"
    chmod 755 "$scratch/$1"
}

stand_in jobscripts/setup.sh <<<'exit 0'
stand_in build/release/app/sheaf <<<"echo \"sheaf \$*\" >>'$scratch/log'"
stand_in bin/mpirun <<<"echo \"mpirun \$*\" >>'$scratch/log'"
stand_in bin/cmake <<<'exit 0'
# four cores with two hardware threads each, of which we may use two cores, the second by halves
stand_in bin/lscpu <<<"printf '# comment\n0,0,0\n1,1,0\n2,2,1\n3,3,1\n4,0,0\n5,1,0\n6,2,1\n7,3,1\n'"
stand_in bin/taskset <<<'echo "pid 1: current affinity list: 0,3-4"'

disk() { # BYTES that are free
    stand_in bin/df <<<"printf 'Filesystem 1-blocks Used Available Capacity Mounted\n/dev/x 0 0 $1 0%% /\n'"
}

local_sh() {
    : >"$scratch/log"
    code=0
    output=$(PATH=$scratch/bin:$PATH "$scratch/jobscripts/local.sh" --dir "$scratch/demo" "$@" 2>&1) || code=$?
}

# expect NAME CODE TEXT: the text stands in what it called or said
expect() {
    if [ "$code" -eq "$2" ] && [[ $(cat "$scratch/log")$output == *"$3"* ]]; then
        printf 'ok: %s\n' "$1"
    else
        printf 'FAILED: %s\n  expected exit %s and: %s\n  got exit %s and: %s\n%s\n' "$1" "$2" "$3" "$code" \
            "$output" "$(cat "$scratch/log")"
        failures=$((failures + 1))
    fi
}

# A pair of 2000x2000 and its product: 96 MB; 16 of them and a third more are 2 GB. (Memory may allow less: then the text
# of the next line is not there, and the machine is too small for this test.)
if [ "$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)" -lt 2500000 ]; then
    echo "skipped: less than 2.5 GB of free memory"
    exit 77
fi
disk 2000000000
local_sh
expect 'fewer beams on a small disk' 0 'a=random:2000x2000 b=random:2000x2000 --count 16 --overwrite'
expect 'all cores that we may use, and no hardware threads' 0 'mpirun -n 2 '
expect 'runs over the beams that it made' 0 "run matmul $scratch/demo/beams.h5:/a $scratch/demo/beams.h5:/b -o"

disk 300000000
local_sh
expect 'smaller beams on a very small disk' 0 'a=random:500x500 b=random:500x500 --count 38'

disk 10000000
local_sh
expect 'too small a disk: says so' 73 'the disk has 7 MB'
[ ! -s "$scratch/log" ] || { echo 'FAILED: and makes nothing' && failures=$((failures + 1)); }

disk 2000000000
local_sh --count 3 --size 100
expect 'the user chooses' 0 'a=random:100x100 b=random:100x100 --count 3'
local_sh --count 1000
expect 'the user chooses more than fits: says so' 73 'need 96000 MB'
local_sh --count none
expect 'not a number' 64 '--count: expected a whole number from 1, got none'
local_sh --size
expect 'no value' 64 '--size needs a value'

stand_in bin/cmake <<<'echo "no compiler"; exit 1'
local_sh
expect 'a build that fails: its words' 70 'no compiler'
stand_in bin/cmake <<<'exit 0'
stand_in build/release/app/sheaf <<<'exit 74'
local_sh
expect 'a step that fails: its exit code' 74 ''

exit $((failures > 0))
