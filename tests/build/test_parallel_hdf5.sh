#!/usr/bin/env bash
# Sheaf builds and runs with a parallel HDF5 library too (it calls nothing parallel in it).
# usage: test_parallel_hdf5.sh SOURCE_DIR
set -eu -o pipefail

source=${1:?usage: test_parallel_hdf5.sh SOURCE_DIR}
command -v h5pcc >/dev/null || { echo "skipped: no parallel HDF5 here (Debian: libhdf5-openmpi-dev)"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cmake -G Ninja -S "$source" -B "$dir/build" -DHDF5_PREFER_PARALLEL=ON -DSHEAF_TESTS=OFF -DSHEAF_WERROR=ON \
    -DCMAKE_BUILD_TYPE=Debug >"$dir/log"
cmake --build "$dir/build" -j2 >>"$dir/log" || { cat "$dir/log"; exit 1; }
sheaf=$dir/build/app/sheaf
# into a file first: grep -q ends early, and a writer that meets a closed pipe would count as failed
ldd "$sheaf" >"$dir/libraries"
grep -q 'libhdf5.*mpi' "$dir/libraries" || { echo "not linked with a parallel HDF5:"; cat "$dir/libraries"; exit 1; }
"$sheaf" make "$dir/a.h5" a=range:3x4 --count 5 >"$dir/log"
mpirun --oversubscribe -n 2 "$sheaf" run copy "$dir/a.h5:/a" -o "$dir/b.h5" >"$dir/run"
grep -q '^done: 5 tasks, 0 failed' "$dir/run" || { cat "$dir/run"; exit 1; }
