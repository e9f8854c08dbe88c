#!/usr/bin/env bash
# Every shell script passes shellcheck.     usage: check_shellcheck.sh SOURCE_DIR
set -eu -o pipefail
# shellcheck source=tests/style/files.sh
. "$(dirname "$0")/files.sh"
cd "${1:?usage: check_shellcheck.sh SOURCE_DIR}"

need_tool shellcheck
scripts() {
    project_files | while read -r file; do
        if [[ $file == *.sh ]] || [[ $(head -c 64 "$file" | tr -d '\0' | head -n 1) =~ ^#!.*[/\ ](ba)?sh ]]; then
            printf '%s\n' "$file"
        fi
    done
}
scripts | xargs -r shellcheck -x
