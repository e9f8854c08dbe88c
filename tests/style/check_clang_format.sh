#!/usr/bin/env bash
# Every C file is formatted as .clang-format says.     usage: check_clang_format.sh SOURCE_DIR
set -eu -o pipefail
# shellcheck source=tests/style/files.sh
. "$(dirname "$0")/files.sh"
cd "${1:?usage: check_clang_format.sh SOURCE_DIR}"

need_tool clang-format
# One line for each place; the lines of code that clang-format quotes would bury them.
words=$(c_files | xargs -r clang-format --dry-run -Werror 2>&1) || {
    grep ': error:' <<<"$words" || echo "$words"
    echo "to format:  clang-format -i FILE"
    exit 1
}
