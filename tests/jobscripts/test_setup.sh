#!/usr/bin/env bash
# What jobscripts/setup.sh does on machines that are not this one: dpkg-query, apt-get, sudo and pkg-config are stand-ins
# in front of PATH, and root becomes nobody, so that nothing is installed.
#
# usage: test_setup.sh SOURCE_DIR
set -eu -o pipefail

source_dir=${1:?usage: test_setup.sh SOURCE_DIR}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
# nobody need not be able to read the checkout
cp "$source_dir/jobscripts/setup.sh" "$scratch/setup.sh"
failures=0

# stand_in NAME: a program of that name before all others; its text comes on stdin
stand_in() {
    { echo '#!/bin/sh' && cat; } >"$scratch/bin/$1"
    chmod 755 "$scratch/bin/$1"
}

# A machine where everything is installed but the packages named in $scratch/absent, and where sudo is not for us.
new_machine() {
    rm -rf "${scratch:?}/bin"
    mkdir -m 755 "$scratch/bin"
    : >"$scratch/log"
    chmod 666 "$scratch/log"
    printf '%s\n' "$@" >"$scratch/absent"
    chmod 666 "$scratch/absent"
    # the answers are those of the script's own list, less the absent ones
    stand_in dpkg-query <<SH
sed -n 's/^\([a-z0-9-]*\) *|.*|.*/\1/p' '$scratch/setup.sh' | grep -vxF -f '$scratch/absent' |
    sed 's/^/installed /'
SH
    stand_in apt-get <<SH
echo "apt-get \$*" >>'$scratch/log'
exit 1
SH
    stand_in sudo <<SH
exit 1
SH
    stand_in cmake <<SH
echo 'cmake version 3.25.1'
SH
    stand_in pkg-config <<SH
exit 0
SH
}

# setup ARGS...: runs it without root's rights; its words are in $output, its exit code in $code
setup() {
    local become=()
    [ "$(id -u)" -ne 0 ] || become=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    code=0
    output=$("${become[@]}" env PATH="$scratch/bin:/usr/bin:/bin:/usr/sbin:/sbin" bash "$scratch/setup.sh" "$@" 2>&1) ||
        code=$?
}

# expect CODE TEXT: of the last setup; an empty TEXT: it said nothing
expect() {
    if [ "$code" -ne "$1" ] || { [ -n "$2" ] && [[ $output != *"$2"* ]]; } || { [ -z "$2" ] && [ -n "$output" ]; }; then
        printf 'FAILED: %s\n  expected exit %s and: %s\n  got exit %s and: %s\n' "$name" "$1" "$2" "$code" "$output"
        failures=$((failures + 1))
    else
        printf 'ok: %s\n' "$name"
    fi
}

name='all there: silent, installs nothing'
new_machine
setup
expect 0 ''
[ ! -s "$scratch/log" ] || { echo "FAILED: apt-get was called" && failures=$((failures + 1)); }

name='missing, no root: names the package and the module, exit 1'
new_machine libxxhash-dev
stand_in pkg-config <<'SH'
[ "$2" != libxxhash ]
SH
setup
expect 1 'missing: libxxhash-dev'
expect 1 'apt-get install --no-install-recommends libxxhash-dev'
expect 1 'modules:   xxhash'
[ ! -s "$scratch/log" ] || { echo "FAILED: apt-get was called" && failures=$((failures + 1)); }

name='several missing, no root: all are named'
new_machine libhwloc-dev libxxhash-dev
stand_in pkg-config <<'SH'
exit 1
SH
setup
expect 1 'missing: libhwloc-dev libxxhash-dev'

name='not from Debian, but there (modules): goes on'
new_machine libxxhash-dev libhwloc-dev
setup
expect 0 ''

name='one of two libraries is enough'
new_machine libdeflate-dev
stand_in pkg-config <<'SH'
[ "$2" != libdeflate ]
SH
setup
expect 0 ''
name='neither of two libraries'
stand_in pkg-config <<'SH'
[ "$2" != libdeflate ] && [ "$2" != zlib ]
SH
setup
expect 1 'missing: libdeflate-dev'

name='missing for the tests only: the build does not mind'
new_machine libcmocka-dev
stand_in pkg-config <<'SH'
[ "$2" != cmocka ]
SH
setup
expect 0 ''
name='missing for the tests only: the tests do'
setup --tests
expect 1 'missing: libcmocka-dev'

name='cmake too old: named, though its package is there'
new_machine
stand_in cmake <<'SH'
echo 'cmake version 3.18.4'
SH
setup
expect 1 'cmake (3.25 or newer)'

name='sudo without a password: installs just what is missing'
new_machine libxxhash-dev
stand_in pkg-config <<'SH'
[ "$2" != libxxhash ]
SH
stand_in sudo <<SH
[ "\$*" = '-n true' ] || { echo "sudo \$*" >>'$scratch/log'; : >'$scratch/absent'; }
SH
setup
expect 0 'installing libxxhash-dev'
case $(tail -n 1 "$scratch/log") in
*' libxxhash-dev') ;;
*) echo "FAILED: $name: $(cat "$scratch/log")" && failures=$((failures + 1)) ;;
esac

name='only for the benchmarks: neither the build nor the tests mind'
new_machine python3-joblib python3-mpi4py
setup --tests
expect 0 ''
name='for the benchmarks: installed for them, and beside what the tests need'
stand_in sudo <<SH
[ "\$*" = '-n true' ] || : >'$scratch/absent'
SH
setup --bench
expect 0 'installing python3-mpi4py python3-joblib'
new_machine python3-joblib libcmocka-dev
stand_in sudo <<SH
[ "\$*" = '-n true' ] || : >'$scratch/absent'
SH
setup --tests --bench
expect 0 'installing libcmocka-dev python3-joblib'

name='apt-get fails: its words are shown, the package is named'
new_machine libxxhash-dev
stand_in pkg-config <<'SH'
[ "$2" != libxxhash ]
SH
stand_in sudo <<'SH'
[ "$*" = '-n true' ] || { echo 'Temporary failure resolving'; exit 100; }
SH
setup
expect 1 'Temporary failure resolving'
expect 1 'missing: libxxhash-dev'

name='unknown option: usage'
new_machine
setup --everything
expect 64 'usage:'

exit $((failures > 0))
