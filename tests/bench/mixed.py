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
import sys

import h5py
import numpy as np

sys.dont_write_bytecode = True
from common import add_options, core_type, environment, run_sheaf, scratch, spread, warm_memory  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--kernel", default="matmul", help="matmul, or a kernel of one square matrix (default matmul)")
    parser.add_argument("--count", type=int, default=500, help="tasks (default 500)")
    parser.add_argument("--least", type=int, default=64, help="smallest size (default 64)")
    parser.add_argument("--most", type=int, default=3000, help="greatest size (default 3000)")
    parser.add_argument("--seed", type=int, default=1, help="of the sizes (default 1)")
    return parser.parse_args()


def draw_sizes(count, least, most, seed):
    """A Pareto distribution of exponent 1.1, cut to [least, most] by its inverse distribution function."""
    alpha, low, high = 1.1, float(least), float(most)
    u = np.random.default_rng(seed).random(count)
    return (low * (1 - u * (1 - (low / high) ** alpha)) ** (-1 / alpha)).astype(int)


def make_input(path, sizes):
    generator = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        for i, n in enumerate(sizes):
            file[f"a/{i}"], file[f"b/{i}"] = generator.random((n, n)), generator.random((n, n))


def read_makespan(target, ranks):
    """Seconds from the first chunk's start to the last one's end, and the least that were possible, by the records."""
    with h5py.File(target) as results:
        chunks = results["sheaf/chunks"][:]
    spent = (chunks["read_seconds"] + chunks["compute_seconds"] + chunks["write_seconds"]).astype(float)
    makespan = (chunks["write_start"] + chunks["write_seconds"]).max() - chunks["read_start"].min()
    return makespan, max(spent.sum() / ranks, spent.max())


def main():
    a = parse_arguments()
    env = environment(a.unpinned)
    with scratch(a.dir) as directory:
        source, target = os.path.join(directory, "beams.h5"), os.path.join(directory, "products.h5")
        sizes = draw_sizes(a.count, a.least, a.most, a.seed)
        make_input(source, sizes)
        operands = [f"{source}:/a/*"] + ([f"{source}:/b/*"] if a.kernel == "matmul" else [])
        print(f"{a.count} tasks of {a.kernel}, sizes {sizes.min()} to {sizes.max()}, median {np.median(sizes):.0f}, "
              f"{a.ranks} ranks, core type {core_type(env)}, {os.cpu_count()} CPUs")
        makespans, ratios, inside, closing = [], [], [], ""
        for repeat in range(a.repeats + 1):
            if os.path.exists(target):
                os.unlink(target)
            warm_memory(directory, int(8 * (sizes.astype(np.int64)**2).sum()))
            seconds, _, closing = run_sheaf(a.sheaf, env, a.ranks, a.kernel, operands, target, "--layout", f"{a.ranks}x1")
            makespan, least = read_makespan(target, a.ranks)
            if repeat > 0:  # the first one warms up
                makespans.append(makespan)
                ratios.append(makespan / least)
                inside.append(seconds / least)
        print(f"makespan          {spread(makespans)} s")
        print(f"last run's        {closing}")
        print(f"makespan/least    {spread(ratios)}")
        print(f"inside/least      {spread(inside)}")


if __name__ == "__main__":
    main()
