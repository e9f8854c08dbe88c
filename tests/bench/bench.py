#!/usr/bin/env python3
"""How close `sheaf run matmul` comes to the bare limit of the machine.

Measures, side by side in one run and in turn (A B C A B C ...):
  (a) bare:  the same number of workers doing the same cblas_dgemm calls on matrices in memory, no I/O (bare.c)
  (b) sheaf: HDF5 to HDF5 in a memory file system, from the end of MPI's start to the finished file (reserving its space,
      writing, hashing, closing included), as the results file's run slot notes it; and the whole process beside it
  (c) move:  as many processes that reserve as much space, copy the same bytes in and out, and hash what they write (move.c)
and prints the ratios bare/sheaf and (bare + move)/sheaf of each round, with their medians and spread. Needs h5py.

  bench.py --sheaf build/release/app/sheaf --limits build/release/tests/bench [--count 40 --size 2000 --repeats 5]
"""

import argparse
import os
import statistics
import sys

sys.dont_write_bytecode = True
from common import add_options, call, core_type, environment, run_sheaf, scratch, spread, warm_memory  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--limits", required=True, help="where the limits' programs are")
    parser.add_argument("--count", type=int, default=40, help="pairs of matrices (default 40)")
    parser.add_argument("--size", type=int, default=2000, help="rows and columns (default 2000)")
    parser.add_argument("--threads", type=int, default=1, help="cores per rank (default 1)")
    parser.add_argument("--order", choices=["longest", "reverse"], default="longest")
    return parser.parse_args()


def run_bare(a, env):
    return float(call([os.path.join(a.limits, "bare"), str(a.ranks), str(a.threads), str(a.count), str(a.size)], env))


def fresh_output(a, directory):
    """Its path; memory for it is ready."""
    out = os.path.join(directory, "products.h5")
    if os.path.exists(out):
        os.unlink(out)
    warm_memory(directory, 8 * a.count * a.size**2)
    return out


def run_move(a, env, directory):
    out = fresh_output(a, directory)
    return float(call([os.path.join(a.limits, "move"), str(a.ranks * a.threads), os.path.join(directory, "beams.h5"), out,
                       str(8 * a.count * a.size**2), "hash"], env))


def run_products(a, env, directory):
    """Seconds inside the program, of the whole process, and the closing line."""
    out = fresh_output(a, directory)
    beams = os.path.join(directory, "beams.h5")
    return run_sheaf(a.sheaf, env, a.ranks, "matmul", [f"{beams}:/a", f"{beams}:/b"], out,
                     "--layout", f"{a.ranks}x{a.threads}", "--order", a.order)


def main():
    a = parse_arguments()
    env = environment(a.unpinned)
    with scratch(a.dir) as directory:
        beams = os.path.join(directory, "beams.h5")
        call([a.sheaf, "make", beams, f"a=random:{a.size}x{a.size}", f"b=random:{a.size}x{a.size}", "--count",
              str(a.count), "--progress", "none"], env)
        print(f"{a.count} products of {a.size}x{a.size} f64, {a.ranks} ranks x {a.threads}, core type {core_type(env)}, "
              f"{os.cpu_count()} CPUs, {a.repeats} pairs in turn after one of each to warm up")
        run_bare(a, env)
        run_products(a, env, directory)
        run_move(a, env, directory)
        bare, inside, whole, move, closing = [], [], [], [], ""
        for _ in range(a.repeats):
            bare.append(run_bare(a, env))
            seconds, process, closing = run_products(a, env, directory)
            inside.append(seconds)
            whole.append(process)
            move.append(run_move(a, env, directory))
        flops = 2.0 * a.count * a.size**3
        print(f"bare          {spread(bare)} s = {1e-9 * flops / statistics.median(bare):.1f} GF/s")
        print(f"sheaf inside  {spread(inside)} s = {1e-9 * flops / statistics.median(inside):.1f} GF/s")
        print(f"sheaf process {spread(whole)} s")
        print(f"last run's    {closing}")
        print(f"move          {spread(move)} s")
        print(f"bare/sheaf    {spread([b / s for b, s in zip(bare, inside)])}")
        print(f"(bare + move)/sheaf  {spread([(b + m) / s for b, m, s in zip(bare, move, inside)])}")


if __name__ == "__main__":
    main()
