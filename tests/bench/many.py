#!/usr/bin/env python3
"""How fast an operand of many small datasets goes through `sheaf run`, beside h5py doing the same.

Inverts every matrix of a file that has each as a dataset of its own, /d/0, /d/1, ... Measures, side by side in one run
and in turn (A B C D A B C D ...), from HDF5 to HDF5 in a memory file system:
  sheaf              sheaf run inv 'beams.h5:/d/*', R ranks
  h5py one by one    for each dataset: read, np.linalg.inv, write into its place of one stacked dataset
  h5py own datasets  for each dataset: read, np.linalg.inv, write a dataset of that name
  h5py at once       read all into one array, np.linalg.inv of the stack, write it: what NumPy does best
each inside, without the start of mpirun and MPI, or of Python and its imports; and as the whole process. Prints the
ratios h5py/sheaf of each round with their medians and spread. Needs h5py.

  many.py --sheaf build/release/app/sheaf [--count 100000 --size 16 --repeats 3]
"""

import argparse
import os
import sys
import time

import h5py
import numpy as np

sys.dont_write_bytecode = True
from common import add_options, core_type, environment, run_sheaf, scratch, spread, timed, warm_memory  # noqa: E402

WAYS = ("one by one", "own datasets", "at once")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, repeats=3)
    parser.add_argument("--count", type=int, default=100000, help="datasets (default 100000)")
    parser.add_argument("--size", type=int, default=16, help="rows and columns (default 16)")
    return parser.parse_args()


def make_input(path, count, size):
    """Far from singular: by Gershgorin no eigenvalue is near 0."""
    generator = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        group = file.create_group("d")
        for i in range(count):
            group[str(i)] = generator.standard_normal((size, size)) + 4 * size * np.eye(size)


def invert(way, source, target):
    """What is measured of h5py, in a process of its own; prints its seconds."""
    start = time.monotonic()
    with h5py.File(source, "r") as beams, h5py.File(target, "w") as results:
        group = beams["d"]
        first = group["0"]
        if way == "own datasets":
            for name in group:
                results[f"result/{name}"] = np.linalg.inv(group[name][...])
        elif way == "one by one":
            out = results.create_dataset("result", (len(group), *first.shape), first.dtype)
            for i in range(len(group)):
                out[i] = np.linalg.inv(group[str(i)][...])
        else:
            stack = np.empty((len(group), *first.shape), first.dtype)
            for i in range(len(group)):
                group[str(i)].read_direct(stack[i])
            results["result"] = np.linalg.inv(stack)
    print(time.monotonic() - start)


def check_same(ours, theirs, count):
    """Both are in the order of the datasets' numbers; own datasets have these as names."""
    with h5py.File(ours) as first, h5py.File(theirs) as second:
        found, expected = first["result"], second["result"]
        for i in range(0, count, max(1, count // 100)):
            other = expected[str(i)] if isinstance(expected, h5py.Group) else expected[i]
            if not np.allclose(found[i], other, rtol=1e-9, atol=1e-12):
                sys.exit(f"dataset {i}: Sheaf and NumPy differ")


def measure_round(a, env, directory, seconds):
    """Everything once, in turn; adds seconds inside and of the whole process. Returns Sheaf's closing line."""
    source, ours, theirs = (os.path.join(directory, name) for name in ("beams.h5", "ours.h5", "theirs.h5"))
    result_bytes = 8 * a.count * a.size**2
    warm_memory(directory, result_bytes)
    inside, whole, closing = run_sheaf(a.sheaf, env, a.ranks, "inv", [f"{source}:/d/*"], ours)
    seconds.setdefault("sheaf", []).append((inside, whole))
    for way in WAYS:
        warm_memory(directory, result_bytes)
        text, whole = timed([sys.executable, os.path.abspath(__file__), "--h5py", way, source, theirs], env)
        seconds.setdefault(way, []).append((float(text), whole))
        check_same(ours, theirs, a.count)
        os.unlink(theirs)
    os.unlink(ours)
    return closing


def report(seconds):
    for i, part in enumerate(("inside", "whole process")):
        print(f"{part}:")
        ours = [times[i] for times in seconds["sheaf"]]
        print(f"  sheaf              {spread(ours)} s")
        for way in WAYS:
            theirs = [times[i] for times in seconds[way]]
            ratios = spread([t / o for t, o in zip(theirs, ours)])
            print(f"  h5py {way:13} {spread(theirs)} s · h5py/sheaf {ratios}")


def main():
    if sys.argv[1:2] == ["--h5py"]:
        invert(*sys.argv[2:])
        return
    a = parse_arguments()
    env = environment(a.unpinned)
    with scratch(a.dir) as directory:
        make_input(os.path.join(directory, "beams.h5"), a.count, a.size)
        print(f"{a.count} datasets of {a.size}x{a.size} f64 in one file, {a.ranks} ranks, core type {core_type(env)}, "
              f"{os.cpu_count()} CPUs, {a.repeats} rounds in turn after one to warm up")
        measure_round(a, env, directory, {})
        seconds = {}
        for _ in range(a.repeats):
            closing = measure_round(a, env, directory, seconds)
        report(seconds)
        print(f"last run's {closing}")


if __name__ == "__main__":
    main()
