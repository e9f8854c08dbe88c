#!/usr/bin/env bash
# The table of benchmarks: Sheaf beside NumPy, multiprocessing, mpi4py.futures and joblib, and beside the limits of the
# machine. Prints it as Markdown, and writes it as BUILD/bench/table.md, with all figures in table.csv beside it.
# (jobscripts/setup.sh --bench installs the peers; one that is missing is shown as "-".)
# Or another table, likewise in five.md or auto.md, and .csv: the classic five-way comparison of threads and processes; the
# layout that Sheaf chooses by itself beside all others.
#
# usage: run.sh [--build DIR] [--five|--auto] [OPTION...]
#   --build          default build/release
#   --five, --auto   five.py or auto.py instead of table.py; OPTIONs are those of the program, see its --help
# exit:  0 measured · 1 a program failed, or a peer's results are not Sheaf's · 66 Sheaf is not built
set -eu -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$top/build/release
if [ "${1:-}" = --build ]; then
    build=${2:?--build needs a directory}
    shift 2
fi
table=table
if [ "${1:-}" = --five ] || [ "${1:-}" = --auto ]; then
    table=${1#--}
    shift
fi
if [ ! -x "$build/app/sheaf" ] || [ ! -x "$build/tests/bench/bare" ]; then
    echo "run.sh: no benchmarks in $build: cmake --preset release && cmake --build --preset release" >&2
    exit 66
fi
# shellcheck source=jobscripts/mpi_environment.sh
. "$top/jobscripts/mpi_environment.sh"

limits=(--limits "$build/tests/bench")
if [ "$table" = auto ]; then
    limits=()
fi
mkdir -p "$build/bench"
exec /usr/bin/python3 "$top/tests/bench/$table.py" --sheaf "$build/app/sheaf" "${limits[@]}" \
    --markdown "$build/bench/$table.md" --csv "$build/bench/$table.csv" "$@"
