#!/usr/bin/env bash
# What is installed can be used: the program runs from its prefix, and a kernel of one's own compiles by pkg-config alone.
# usage: test_install.sh BUILD_DIR SOURCE_DIR
set -eu -o pipefail

build=${1:?usage: test_install.sh BUILD_DIR SOURCE_DIR}
source=${2:?usage: test_install.sh BUILD_DIR SOURCE_DIR}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cmake --install "$build" --prefix "$dir/prefix" >"$dir/install.log"
version=$("$dir/prefix/bin/sheaf" --version)
[[ $version =~ ^sheaf\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "unexpected version: $version"; exit 1; }

PKG_CONFIG_PATH=$(dirname "$(find "$dir/prefix" -name sheaf-kernel.pc)")
export PKG_CONFIG_PATH
# The prefix that pkg-config tells is the one configured; an installation elsewhere redefines it.
cflags=$(pkg-config --define-variable=prefix="$dir/prefix" --cflags sheaf-kernel)
# README's kernel, as a user would copy it.
# shellcheck disable=SC2016
sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed '1d;$d' >"$dir/negate.c"
grep -q kernel_negate "$dir/negate.c"
# shellcheck disable=SC2086
cc -std=c17 -Wall -Wextra -Wconversion -Werror -fPIC -shared $cflags "$dir/negate.c" -o "$dir/negate.so"
echo '#include <sheaf/kernel.h>' >"$dir/header.cpp"
# shellcheck disable=SC2086
if command -v c++ >/dev/null; then c++ -Wall -Werror -fsyntax-only $cflags "$dir/header.cpp"; fi
