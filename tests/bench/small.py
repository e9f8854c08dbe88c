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
import shutil
import sys
import tempfile
import time

import h5py
import numpy as np

sys.dont_write_bytecode = True
from bench import call, environment, spread, warm_memory  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheaf", help="the program")
    parser.add_argument("--move", help="the program that moves bytes")
    parser.add_argument("--count", type=int, default=20000, help="products (default 20000)")
    parser.add_argument("--size", type=int, default=64, help="rows and columns (default 64)")
    parser.add_argument("--ranks", type=int, default=2, help="ranks (default 2)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of measurements (default 5)")
    parser.add_argument("--dir", default="/dev/shm", help="a memory file system (default /dev/shm)")
    parser.add_argument("--unpinned", action="store_true", help="let OpenBLAS choose its core type on both sides")
    parser.add_argument("--numpy", nargs=2, metavar=("INPUT", "OUTPUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.numpy and not (arguments.sheaf and arguments.move):
        parser.error("--sheaf and --move are needed")
    return arguments


def multiply(source, target):
    """What is measured of NumPy, in a process of its own; prints its seconds."""
    start = time.monotonic()
    with h5py.File(source, "r") as beams:
        a, b = beams["a"][...], beams["b"][...]
    product = np.matmul(a, b)
    with h5py.File(target, "w") as results:
        results["result"] = product
    print(time.monotonic() - start)


def run_sheaf(a, env, source, target):
    """Seconds inside, of the whole process, and the closing line."""
    command = ["mpirun", "--oversubscribe", "-n", str(a.ranks), a.sheaf, "run", "matmul", f"{source}:/a", f"{source}:/b",
               "-o", target, "--layout", f"{a.ranks}x1", "--progress", "none"]
    start = time.monotonic()
    text = call(command, env)
    whole = time.monotonic() - start
    with h5py.File(target) as results:
        run = results["sheaf/runs"][0]
        if results["result"].shape[0] != a.count or (results["sheaf/status"][:] != 1).any():
            sys.exit(f"{target}: not every task is done")
        return float(run["end"] - run["start"]), whole, next(x for x in text.splitlines() if x.startswith("done:"))


def main():
    a = parse_arguments()
    if a.numpy:
        multiply(*a.numpy)
        return
    env = environment(a.unpinned)
    directory = tempfile.mkdtemp(prefix="sheaf-bench-", dir=a.dir)
    source, target = os.path.join(directory, "beams.h5"), os.path.join(directory, "products.h5")
    bytes_out = 8 * a.count * a.size**2

    def fresh():
        if os.path.exists(target):
            os.unlink(target)
        warm_memory(directory, bytes_out)

    try:
        call([a.sheaf, "make", source, f"a=random:{a.size}x{a.size}", f"b=random:{a.size}x{a.size}", "--count",
              str(a.count), "--progress", "none"], env)
        core = env.get("OPENBLAS_CORETYPE", "chosen by OpenBLAS")
        print(f"{a.count} products of {a.size}x{a.size} f64, {a.ranks} ranks, core type {core}, {os.cpu_count()} CPUs, "
              f"{a.repeats} rounds in turn after one to warm up")
        inside, whole, numpy, move, closing = [], [], [], [], ""
        for _ in range(a.repeats + 1):
            fresh()
            seconds, process, closing = run_sheaf(a, env, source, target)
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
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
