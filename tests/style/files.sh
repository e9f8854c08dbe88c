# shellcheck shell=bash
# Sourced by the style checks, in the top folder of the source.

# Prints the project's files: what git holds and what is new, but not what git ignores. Without git (an archive): all
# but builds and hidden folders.
project_files() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard | while read -r file; do
            [ ! -e "$file" ] || printf '%s\n' "$file"
        done
    else
        find . \( -path ./build -o -path './.?*' -type d \) -prune -o -type f -print | sed 's|^\./||'
    fi
}

c_files() {
    project_files | grep -E '^(app|io|kernels|tests|jobscripts)/.*\.[ch]$' || true
}

need_tool() {
    command -v "$1" >/dev/null && return
    echo "skipped: $1 is not installed (jobscripts/setup.sh --tests)"
    exit 77
}
