#!/usr/bin/env bash
# clang-tidy, with the checks of .clang-tidy, over every file that the build compiles.
#
# usage: check_clang_tidy.sh SOURCE_DIR BUILD_DIR
set -eu -o pipefail
# shellcheck source=tests/style/files.sh
. "$(dirname "$0")/files.sh"
build=$(realpath "${2:?usage: check_clang_tidy.sh SOURCE_DIR BUILD_DIR}")
cd "$1"

need_tool clang-tidy
[ -s "$build/compile_commands.json" ] || { echo "$build has no compile_commands.json" && exit 1; }

compiled() {
    sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" | sort -u
}

# Its findings are on stdout; stderr counts the warnings of system headers, and has the trace when clang-tidy crashes (which
# must fail this file, not end xargs).
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
compiled | xargs -r -P "$(nproc)" -n 1 sh -c 'clang-tidy "$@" || exit 1' sh --quiet -p "$build" \
    --extra-arg=-Wno-unknown-warning-option 2>"$errors" || {
    grep -vE '^[0-9]+ warnings? (generated|treated)' "$errors" || true
    exit 1
}
