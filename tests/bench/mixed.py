#!/usr/bin/env python3
"""How well tasks of very unlike sizes are spread over ranks.

Multiplies pairs of square matrices whose sizes are drawn from a heavy-tailed distribution (Pareto, alpha 1.1, 64 to 3000), each
a dataset of its own, and compares the makespan, from the first chunk's start to the last one's end, with what no schedule
can beat: max(sum of the tasks' times / workers, longest task), the times being those that the results file's records note
for the same run. Prints the ratio of each repeat, with median and spread; beside it the same with the whole time inside the
program. Needs h5py.

  mixed.py --sheaf build/release/app/sheaf [--count 500 --least 64 --most 3000 --ranks 2 --repeats 5]
"""

import argparse
import os
import shutil
import sys
import tempfile

import h5py
import numpy as np

sys.dont_write_bytecode = True
from bench import call, environment, spread, warm_memory  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheaf", required=True, help="the program")
    parser.add_argument("--kernel", default="matmul", help="matmul, or a kernel of one square matrix (default matmul)")
    parser.add_argument("--count", type=int, default=500, help="tasks (default 500)")
    parser.add_argument("--least", type=int, default=64, help="smallest size (default 64)")
    parser.add_argument("--most", type=int, default=3000, help="greatest size (default 3000)")
    parser.add_argument("--ranks", type=int, default=2, help="ranks (default 2)")
    parser.add_argument("--repeats", type=int, default=5, help="measurements (default 5)")
    parser.add_argument("--seed", type=int, default=1, help="of the sizes (default 1)")
    parser.add_argument("--dir", default="/dev/shm", help="a memory file system (default /dev/shm)")
    parser.add_argument("--unpinned", action="store_true", help="let OpenBLAS choose its core type")
    return parser.parse_args()


def draw_sizes(a):
    """A Pareto distribution of exponent 1.1, cut to [least, most] by its inverse distribution function."""
    alpha, low, high = 1.1, float(a.least), float(a.most)
    u = np.random.default_rng(a.seed).random(a.count)
    return (low * (1 - u * (1 - (low / high) ** alpha)) ** (-1 / alpha)).astype(int)


def make_input(path, sizes):
    generator = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        for i, n in enumerate(sizes):
            file[f"a/{i}"], file[f"b/{i}"] = generator.random((n, n)), generator.random((n, n))


def run(a, env, source, target):
    """Makespan, least possible makespan, seconds inside, and the closing line."""
    operands = [f"{source}:/a/*"] + ([f"{source}:/b/*"] if a.kernel == "matmul" else [])
    text = call(["mpirun", "--oversubscribe", "-n", str(a.ranks), a.sheaf, "run", a.kernel, *operands, "-o", target,
                 "--layout", f"{a.ranks}x1", "--progress", "none"], env)
    with h5py.File(target) as results:
        run_row, chunks = results["sheaf/runs"][0], results["sheaf/chunks"][:]
        if (results["sheaf/status"][:] != 1).any():
            sys.exit(f"{target}: not every task is done")
    spent = (chunks["read_seconds"] + chunks["compute_seconds"] + chunks["write_seconds"]).astype(float)
    makespan = (chunks["write_start"] + chunks["write_seconds"]).max() - chunks["read_start"].min()
    least = max(spent.sum() / a.ranks, spent.max())
    return makespan, least, float(run_row["end"] - run_row["start"]), \
        next(line for line in text.splitlines() if line.startswith("done:"))


def main():
    a = parse_arguments()
    env = environment(a.unpinned)
    directory = tempfile.mkdtemp(prefix="sheaf-bench-", dir=a.dir)
    source, target = os.path.join(directory, "beams.h5"), os.path.join(directory, "products.h5")
    try:
        sizes = draw_sizes(a)
        make_input(source, sizes)
        print(f"{a.count} tasks of {a.kernel}, sizes {sizes.min()} to {sizes.max()}, median {np.median(sizes):.0f}, "
              f"{a.ranks} ranks, core type {env.get('OPENBLAS_CORETYPE', 'chosen by OpenBLAS')}, {os.cpu_count()} CPUs")
        makespans, ratios, inside, closing = [], [], [], ""
        for repeat in range(a.repeats + 1):
            if os.path.exists(target):
                os.unlink(target)
            warm_memory(directory, int(8 * (sizes.astype(np.int64)**2).sum()))
            makespan, least, seconds, closing = run(a, env, source, target)
            if repeat > 0:  # the first one warms up
                makespans.append(makespan)
                ratios.append(makespan / least)
                inside.append(seconds / least)
        print(f"makespan          {spread(makespans)} s")
        print(f"last run's        {closing}")
        print(f"makespan/least    {spread(ratios)}")
        print(f"inside/least      {spread(inside)}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
