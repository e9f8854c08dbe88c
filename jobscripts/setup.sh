#!/usr/bin/env bash
# Sees to it that Sheaf can be built and, with --tests, tested and, with --bench, measured beside its peers. On Debian it
# installs what is missing: as root, or with a sudo that asks for no password. Elsewhere it names what is missing. Says
# nothing when all is there.
#
# usage: setup.sh [--tests] [--bench]
# exit:  0 all is there · 1 something is missing (named) · 64 usage
set -eu -o pipefail

# Debian package | how to see that it is there without asking dpkg | the module that usually brings it on a cluster.
# libc6-dev stands here because gcc only recommends it.
build_needs='
gcc                    | command cc                    | gcc
libc6-dev              | header stdio.h                | gcc
cmake                  | cmake_version 3 25            | cmake (3.25 or newer)
ninja-build            | command ninja                 | ninja
pkg-config             | command pkg-config            | pkgconf
libopenmpi-dev         | command mpicc                 | openmpi
openmpi-bin            | command mpirun                | openmpi
libopenblas-pthread-dev| library openblas              | openblas (built with pthreads)
libhdf5-dev            | command h5cc                  | hdf5
libhwloc-dev           | library hwloc                 | hwloc
libxxhash-dev          | library libxxhash             | xxhash
libdeflate-dev         | either libdeflate zlib        | libdeflate (or zlib, which is slower)
librandom123-dev       | header Random123/threefry.h   | random123'

test_needs='
libcmocka-dev          | library cmocka                | cmocka
zlib1g-dev             | library zlib                  | zlib
python3                | command python3               | python
python3-numpy          | python numpy                  | scipy-stack
python3-scipy          | python scipy                  | scipy-stack
python3-h5py           | python h5py                   | h5py
hdf5-tools             | command h5dump                | hdf5
libhdf5-openmpi-dev    | command h5pcc                 | hdf5 (a parallel build)
shellcheck             | command shellcheck            | shellcheck
clang-format           | command clang-format          | llvm
clang-tidy             | command clang-tidy            | llvm
clang                  | command clang                 | llvm
strace                 | command strace                | strace
iproute2               | command ip                    | (an administrator: iproute2)
munge                  | command munged                | (an administrator: munge)
slurmctld              | command slurmctld             | (an administrator: slurm)
slurmd                 | command slurmd                | (an administrator: slurm)
slurm-client           | command sbatch                | slurm
valgrind               | command valgrind              | valgrind
util-linux             | command unshare               | (an administrator: util-linux)
procps                 | command ps                    | (an administrator: procps)'

bench_needs='
python3                | command python3               | python
python3-numpy          | python numpy                  | scipy-stack
python3-h5py           | python h5py                   | h5py
python3-mpi4py         | python mpi4py                 | mpi4py
python3-joblib         | python joblib                 | scipy-stack'

# Daemons live in sbin, which is not on every user's PATH.
PATH=$PATH:/usr/sbin:/sbin

usage() {
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0"
}

say() {
    printf 'setup: %s\n' "$*" >&2
}

have_cmake_version() { # MAJOR MINOR
    local major minor
    IFS=. read -r major minor _ <<<"$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p')"
    [ "${major:-0}" -gt "$1" ] || { [ "${major:-0}" -eq "$1" ] && [ "${minor:-0}" -ge "$2" ]; }
}

# have KIND WHAT...: is it there, whoever installed it?
have() {
    case $1 in
    command) command -v "$2" >/dev/null ;;
    cmake_version) have_cmake_version "$2" "$3" ;;
    library) pkg-config --exists "$2" 2>/dev/null ;;
    either) pkg-config --exists "$2" 2>/dev/null || pkg-config --exists "$3" 2>/dev/null ;;
    header) printf '#include <%s>\n' "$2" | ${CC:-cc} -E -o /dev/null -x c - 2>/dev/null ;;
    python) /usr/bin/python3 -c "import $2" 2>/dev/null || python3 -c "import $2" 2>/dev/null ;;
    esac
}

# Prints the rows of NEEDS on stdin whose Debian package is not installed.
without_package() {
    local package probe module installed
    # dpkg-query fails when it does not know a name: that is an answer, not an error.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' 2>/dev/null |
        sed -n 's/^installed \([^:]*\).*/\1/p') || true
    while IFS='|' read -r package probe module; do
        grep -qxF "${package// /}" <<<"$installed" || printf '%s|%s|%s\n' "$package" "$probe" "$module"
    done
}

# Prints the rows of NEEDS on stdin that cannot be found at all.
without_anything() {
    local package probe module words
    while IFS='|' read -r package probe module; do
        read -ra words <<<"$probe"
        have "${words[@]}" || printf '%s|%s|%s\n' "$package" "$probe" "$module"
    done
}

# Prints column N of the rows on stdin, on one line.
column() {
    cut -d '|' -f "$1" | sed 's/^ *//; s/ *$//' | awk '!seen[$0]++' | paste -s -d "${2:- }"
}

# The command that makes us root, as words, or failure.
find_root() {
    if [ "$(id -u)" -eq 0 ]; then
        root=()
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        root=(sudo -n)
    else
        return 1
    fi
}

# Run as root. Packages of daemons (slurm, munge) start them where they can; a policy-rc.d that says no is Debian's way
# to forbid it. One that is already there is the administrator's and stays as it is.
# shellcheck disable=SC2016 # expanded by the shell that runs it
install_as_root='
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ] && printf "#!/bin/sh\nexit 101\n" >$policy; then
    chmod 755 $policy
    trap "rm -f $policy" EXIT
    trap "exit 1" HUP INT TERM
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=120 update &&
    apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold --no-install-recommends install "$@"
'

# install PACKAGE...: with apt-get; its words are shown only when it fails
install() {
    local log status=0
    log=$(mktemp)
    say "installing $*"
    "${root[@]}" sh -c "$install_as_root" sh "$@" </dev/null >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 20 "$log" >&2
        say "apt-get failed (the lines above). Without network, install these by hand: $*"
    fi
    rm -f "$log"
    return "$status"
}

# refuse ROWS: name what is missing and how to get it, in both worlds
refuse() {
    local packages
    packages=$(column 1 <<<"$1")
    say "missing: $packages"
    say "  on Debian 12, as root:   apt-get install --no-install-recommends $packages"
    say "  on a cluster, modules:   $(column 3 ',' <<<"$1" | sed 's/,/, /g')"
    exit 1
}

needs=$build_needs
for option in "$@"; do
    case $option in
    --tests) needs+=$test_needs ;;
    --bench) needs+=$bench_needs ;;
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
needs=$(sed '/^$/d' <<<"$needs")

missing=$needs
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    missing=$(without_package <<<"$needs")
    if [ -n "$missing" ] && find_root; then
        read -ra packages <<<"$(column 1 <<<"$missing")"
        install "${packages[@]}" || true # what is missing then is named below
        missing=$(without_package <<<"$needs")
    fi
fi
# What no package brought may have come otherwise: by modules, by hand.
[ -z "$missing" ] || missing=$(without_anything <<<"$missing")
[ -z "$missing" ] || refuse "$missing"
# A package can be there and too old (Debian 11).
have_cmake_version 3 25 || refuse "$(grep '^cmake ' <<<"$needs")"
