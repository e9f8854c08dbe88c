#!/usr/bin/env bash
# Builds the fuzzers with clang, and runs each for some minutes from the seeds. Fails where one finds something: the bytes
# that it found stay in the directory that is named then; mended, they belong into found/TARGET.
#
# usage: fuzz.sh SOURCE_DIR SEEDS   SHEAF_FUZZ_MINUTES: for each target, default 10; SHEAF_FUZZ_TARGETS: default all
set -eu -o pipefail
source_dir=${1:?usage: fuzz.sh SOURCE_DIR SEEDS}
seeds=${2:?usage: fuzz.sh SOURCE_DIR SEEDS}
minutes=${SHEAF_FUZZ_MINUTES:-10}
work=$(mktemp -d "${TMPDIR:-/tmp}/sheaf-fuzz-XXXXXX")
cmake -S "$source_dir" -B "$work/build" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS=-O1 -DSHEAF_FUZZ=ON \
    -DSHEAF_SANITIZE=address,undefined,fuzzer-no-link >"$work/cmake.log"
# The HDF5 library leaks where files are damaged, and asks for what they say: both are not ours.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TMPDIR="$work"
found=0
for target in ${SHEAF_FUZZ_TARGETS:-operand words source store}; do
    cmake --build "$work/build" --target "fuzz_$target" >"$work/build.log"
    mkdir -p "$work/corpus/$target" "$work/crashes"
    "$work/build/tests/fuzz/fuzz_$target" -max_total_time=$((minutes * 60)) -max_len=65536 -timeout=60 -rss_limit_mb=4096 -malloc_limit_mb=1000000 \
        -print_final_stats=1 -artifact_prefix="$work/crashes/$target-" "$work/corpus/$target" "$seeds/$target" \
        >"$work/$target.log" 2>&1 || found=1
    grep -E '^stat::|SUMMARY|ERROR' "$work/$target.log" | sed "s/^/$target: /"
done
if [ "$found" = 0 ]; then
    rm -r "$work"
else
    echo "look into $work/crashes, and the logs beside it"
    exit 1
fi
