#!/usr/bin/env python3
"""How fast many small products go from HDF5 to HDF5, beside what NumPy does at best and beside what moving the bytes takes.

Measures, side by side in one run and in turn (A B C A B C ...), in a memory file system:
  sheaf  sheaf run matmul of two stacks, R ranks: inside, from the end of MPI's start to the finished file, reserving its
         space included; and the whole process with mpirun's start
  numpy  h5py reads both stacks, np.matmul of the stacks, h5py writes the result: inside, without Python's start and imports
  move   R processes reserve as much space and copy the same bytes in and out with pread and pwrite (move.c)
and prints the ratios of each round, numpy/sheaf and sheaf/move, with their medians and spread. Needs h5py.

  small.py --sheaf build/release/app/sheaf --move build/release/tests/bench/move [--count 20000 --size 64 --repeats 5]
"""

import argparse
import os
import sys
import time

import h5py
import numpy as np

sys.dont_write_bytecode = True
from common import add_options, call, core_type, environment, run_sheaf, scratch, spread, warm_memory  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--move", required=True, help="the program that moves bytes")
    parser.add_argument("--count", type=int, default=20000, help="products (default 20000)")
    parser.add_argument("--size", type=int, default=64, help="rows and columns (default 64)")
    return parser.parse_args()


def multiply(source, target):
    """What is measured of NumPy, in a process of its own; prints its seconds."""
    start = time.monotonic()
    with h5py.File(source, "r") as beams:
        a, b = beams["a"][...], beams["b"][...]
    product = np.matmul(a, b)
    with h5py.File(target, "w") as results:
        results["result"] = product
    print(time.monotonic() - start)


def main():
    if sys.argv[1:2] == ["--numpy"]:
        multiply(*sys.argv[2:])
        return
    a = parse_arguments()
    env = environment(a.unpinned)
    with scratch(a.dir) as directory:
        source, target = os.path.join(directory, "beams.h5"), os.path.join(directory, "products.h5")
        bytes_out = 8 * a.count * a.size**2

        def fresh():
            if os.path.exists(target):
                os.unlink(target)
            warm_memory(directory, bytes_out)

        call([a.sheaf, "make", source, f"a=random:{a.size}x{a.size}", f"b=random:{a.size}x{a.size}", "--count",
              str(a.count), "--progress", "none"], env)
        print(f"{a.count} products of {a.size}x{a.size} f64, {a.ranks} ranks, core type {core_type(env)}, "
              f"{os.cpu_count()} CPUs, {a.repeats} rounds in turn after one to warm up")
        inside, whole, numpy, move, closing = [], [], [], [], ""
        for _ in range(a.repeats + 1):
            fresh()
            seconds, process, closing = run_sheaf(a.sheaf, env, a.ranks, "matmul", [f"{source}:/a", f"{source}:/b"],
                                                  target, "--layout", f"{a.ranks}x1")
            inside.append(seconds)
            whole.append(process)
            fresh()
            numpy.append(float(call([sys.executable, os.path.abspath(__file__), "--numpy", source, target], env)))
            fresh()
            move.append(float(call([a.move, str(a.ranks), source, target, str(bytes_out)], env)))
        inside, whole, numpy, move = inside[1:], whole[1:], numpy[1:], move[1:]
        print(f"sheaf inside  {spread(inside)} s")
        print(f"sheaf process {spread(whole)} s")
        print(f"numpy inside  {spread(numpy)} s")
        print(f"move          {spread(move)} s")
        print(f"last run's    {closing}")
        print(f"numpy/sheaf   {spread([n / s for n, s in zip(numpy, inside)])}")
        print(f"sheaf/move    {spread([s / m for m, s in zip(move, inside)])}")


if __name__ == "__main__":
    main()
