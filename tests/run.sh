#!/usr/bin/env bash
# All tests, on a machine that need not have anything yet: installs, builds, runs. First the builds with sanitizers, then
# the release build with every test, so that the last lines are CTest's own account of it.
#
# usage: run.sh [--quick] [--long]
#   --quick   only the release build
#   --long    also the tests with the label long
# exit: 0 all passed · 1 something failed (named at the end)
set -u -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1
failed=()
quick=false
exclude=(--label-exclude '^long$')

usage() {
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0"
}

for option in "$@"; do
    case $option in
    --quick) quick=true ;;
    --long) exclude=() ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 64
        ;;
    esac
done

# build PRESET: quietly, and its words when it fails
build() {
    local log=build/$1/build.log
    mkdir -p "build/$1"
    echo "== $1: building (log: $log)"
    { cmake --preset "$1" -DSHEAF_TESTS=ON -DSHEAF_WERROR=ON && cmake --build --preset "$1"; } >"$log" 2>&1 && return
    tail -n 40 "$log"
    failed+=("build of $1")
    return 1
}

# run_tests PRESET CTEST_OPTION...: no test may take for ever, and finding none is a failure. One more at a time than there
# are cores: most of those that start MPI is waiting.
run_tests() {
    local preset=$1
    shift
    echo "== $preset: testing"
    # gcc's sanitizers cannot live with as much address randomisation as new kernels do
    "${no_randomisation[@]}" ctest --preset "$preset" --parallel $(($(nproc) + 1)) --timeout 600 --no-tests=error "${exclude[@]}" "$@" ||
        failed+=("tests of $preset")
}

no_randomisation=()
sanitize() {
    ! setarch "$(uname -m)" -R true 2>/dev/null || no_randomisation=(setarch "$(uname -m)" -R)
    # whole stacks, or the suppressions cannot see whose leak it is; out of memory is what some tests want to see
    export ASAN_OPTIONS=fast_unwind_on_malloc=0:detect_stack_use_after_return=1:allocator_may_return_null=1
    export LSAN_OPTIONS=suppressions=$top/tests/sanitizers/lsan.supp:print_suppressions=0
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    # libraries that were built without it would be taken for racing with themselves
    export TSAN_OPTIONS=ignore_noninstrumented_modules=1
    build asan && run_tests asan --label-regex '^(unit|sanitize)$'
    build tsan && run_tests tsan --label-regex '^tsan$'
    no_randomisation=()
}

jobscripts/setup.sh --tests || exit 1
# shellcheck source=jobscripts/mpi_environment.sh
. jobscripts/mpi_environment.sh

"$quick" || sanitize
build release && run_tests release

if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED:'
    printf ' %s;' "${failed[@]}"
    echo
    exit 1
fi
