#!/usr/bin/env bash
# The top of the tree holds what the house has, and nothing else: a new folder is a decision, not an accident.
#
# usage: check_tree.sh SOURCE_DIR
set -eu -o pipefail
# shellcheck source=tests/style/files.sh
. "$(dirname "$0")/files.sh"
cd "${1:?usage: check_tree.sh SOURCE_DIR}"

allowed='app|io|kernels|jobscripts|tests|CMakeLists.txt|CMakePresets.json|README.md|CHANGELOG.md|LICENSE|\..*'
stray=$(project_files | cut -d / -f 1 | sort -u | grep -vxE "$allowed" || true)
[ -z "$stray" ] || { printf 'at the top of the tree stands what does not belong there:\n%s\n' "$stray" && exit 1; }
