#!/usr/bin/env bash
# Sheaf over two (virtual) hosts: the same bytes as on one, an error ends all ranks on both, and what test_hosts.py tests.
#
# usage: test_cluster.sh SHEAF
set -eu -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cluster/harness.sh
. "$here/harness.sh"
sheaf=$(realpath "${1:?usage: test_cluster.sh SHEAF}")

need_commands mpirun nsenter unshare ip
need_namespaces
find_python
isolate "$sheaf"

cluster=$scratch/cluster
on_cluster() {
    timeout --kill-after=5 "$limit_seconds" "$here/cluster_run.sh" "$cluster" "$@"
}

"$here/cluster_up.sh" 2 "$cluster"
trap '"$here/cluster_down.sh" "$cluster"; leave_isolation' EXIT

limit_seconds=60
"$sheaf" make beams.h5 a=random:200x200 b=random:200x200 --count 24
# One rank, one thread a task, as the two and the four ranks will: the number of threads changes the last bits.
on_cluster mpirun -H node1:1 -n 1 "$sheaf" run matmul beams.h5:/a beams.h5:/b -o one.h5 --layout 1x1
for ranks in 1 2; do
    on_cluster mpirun --map-by "ppr:$ranks:node" "$sheaf" run matmul beams.h5:/a beams.h5:/b -o "two-$ranks.h5" \
        --layout "${ranks}x1"
    expect_nodes "two-$ranks.h5" 2 $((2 * ranks))
done
"$python" "$here/compare_products.py" beams.h5 one.h5 two-1.h5 two-2.h5

# No input: rank 0 finds out, and no rank of the other host may wait for it.
limit_seconds=20
expect_code 66 on_cluster mpirun --map-by ppr:2:node "$sheaf" run matmul absent.h5:/a absent.h5:/b -o absent-out.h5 \
    2>error.txt
grep -q 'absent\.h5' error.txt || fail "the error does not name the file: $(cat error.txt)"
[ ! -e absent-out.h5 ] || fail "a run without input left a results file"

CLUSTER=$cluster SHEAF=$sheaf RANKS=4 PYTHONPATH=$here/../mpi PYTHONDONTWRITEBYTECODE=1 "$python" "$here/test_hosts.py"
