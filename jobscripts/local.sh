#!/usr/bin/env bash
# Sheaf on this machine, in one command: installs what is missing, builds, makes demo beams, multiplies them on all cores
# and says where the result is.
#
# usage: local.sh [--count N] [--size N] [--dir DIR]
#   --count N   pairs of matrices    (default: 100, fewer where disk or memory are small)
#   --size N    rows and columns     (default: 2000, or 500 where disk or memory are small)
#   --dir DIR   where the files go   (default: ./demo; beams.h5 and products.h5 there are replaced)
#   --help
set -eu -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build/release
sheaf=$build/app/sheaf

usage() {
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0"
}

die() { # EXIT_CODE MESSAGE...
    local code=$1
    shift
    printf 'local.sh: %s\n' "$*" >&2
    exit "$code"
}

# Prints the command, then runs it: the user can repeat each step.
show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

build_sheaf() {
    local log=$build/build.log first=()
    # A user's first build needs no tests (and not what they need); a developer's choice stays.
    [ -e "$build/CMakeCache.txt" ] || first=(-DSHEAF_TESTS=OFF)
    mkdir -p "$build"
    echo "building $build (log: $log)"
    (cd "$top" && cmake --preset release "${first[@]}" && cmake --build --preset release) >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        die 70 "the build failed (the lines above; all of them: $log)"
    }
}

# Cores that we may use: physical ones, since SMT siblings share the units that matter here (mpirun counts the same way),
# cut by a container's quota.
count_cores() {
    local allowed cores quota period
    allowed=$(taskset -cp $$ | sed 's/.*: *//')
    cores=$(lscpu -b -p=CPU,Core,Socket | awk -F, -v allowed="$allowed" '
        BEGIN {
            ranges = split(allowed, range, ",")
            for (i = 1; i <= ranges; i++) {
                last = split(range[i], end, "-")
                for (cpu = end[1] + 0; cpu <= end[last] + 0; cpu++)
                    may[cpu] = 1
            }
        }
        /^[0-9]/ && ($1 in may) && !seen[$2, $3]++ { cores++ }
        END { print cores + 0 }')
    if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [ "$quota" != max ]; then
        [ $((quota / period)) -ge "$cores" ] || cores=$((quota / period))
    fi
    echo $((cores > 0 ? cores : 1))
}

# Bytes of memory that are free for the page cache, cut by a container's limit.
free_memory_bytes() {
    local bytes limit
    bytes=$(awk '$1 == "MemAvailable:" { printf "%.0f", $2 * 1024 }' /proc/meminfo)
    if read -r limit 2>/dev/null </sys/fs/cgroup/memory.max && [ "$limit" != max ]; then
        [ "$limit" -ge "$bytes" ] || bytes=$limit
    fi
    echo "$bytes"
}

# Bytes that the disk of DIR has for us; what an earlier run left there is replaced.
free_disk_bytes() {
    local free old
    free=$(df -P -B1 "$1" | awk 'NR == 2 { print $4 }')
    old=$(du -cB1 "$1/beams.h5" "$1/products.h5" 2>/dev/null | awk 'END { printf "%.0f", $1 }') || true
    echo $((free + ${old:-0}))
}

# Bytes of one pair of SIZE x SIZE float64 matrices and their product.
pair_bytes() {
    echo $((3 * $1 * $1 * 8))
}

# Sets count and size where the user did not: all files should fit into 1 / 1.3 of the disk and 3/4 of the memory.
choose_problem() {
    local disk room fit
    disk=$(($(free_disk_bytes "$dir") * 10 / 13))
    room=$(($(free_memory_bytes) * 3 / 4))
    [ "$room" -le "$disk" ] || room=$disk
    if [ -z "$size" ]; then
        size=2000
        [ $((4 * $(pair_bytes 2000))) -le "$room" ] || size=500
    fi
    if [ -z "$count" ]; then
        fit=$((room / $(pair_bytes "$size")))
        count=$((fit > 100 ? 100 : fit < 4 ? 4 : fit))
    fi
    [ $((count * $(pair_bytes "$size"))) -le "$disk" ] ||
        die 73 "$dir: $count pairs of ${size}x$size need $((count * $(pair_bytes "$size") / 1000000)) MB and reserve;" \
            "the disk has $((disk / 1000000)) MB for them: choose --dir, --count or --size"
}

is_positive() {
    case $1 in
    *[!0-9]* | '' | 0* | ???????*) return 1 ;;
    esac
}

count='' size='' dir=demo
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --count | --size | --dir)
        [ $# -ge 2 ] || die 64 "$1 needs a value"
        declare "${1#--}=$2"
        shift 2
        ;;
    *)
        usage >&2
        die 64 "unknown option: $1"
        ;;
    esac
done
[ -z "$count" ] || is_positive "$count" || die 64 "--count: expected a whole number from 1, got $count"
[ -z "$size" ] || is_positive "$size" || die 64 "--size: expected a whole number from 1, got $size"

"$top/jobscripts/setup.sh"
build_sheaf
# shellcheck source=jobscripts/mpi_environment.sh
. "$top/jobscripts/mpi_environment.sh"

mkdir -p "$dir"
choose_problem
cores=$(count_cores)
beams=$dir/beams.h5 products=$dir/products.h5

show "$sheaf" make "$beams" "a=random:${size}x$size" "b=random:${size}x$size" --count "$count" --overwrite
show mpirun -n "$cores" "$sheaf" run matmul "$beams:/a" "$beams:/b" -o "$products" --overwrite

cat <<END

The products are in $products, dataset /result. To look at them:
  $sheaf info $products
  h5dump -H $products                                  (Debian package hdf5-tools)
  python3 -c "import h5py; print(h5py.File('$products')['result'][0])"    (python3-h5py)
END
