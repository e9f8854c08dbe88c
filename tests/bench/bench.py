#!/usr/bin/env python3
"""How close `sheaf run matmul` comes to the bare limit of the machine.

Measures, side by side in one run and in turn (A B A B ...):
  (a) bare:  the same number of workers doing the same cblas_dgemm calls on matrices in memory, no I/O (bare.c)
  (b) sheaf: HDF5 to HDF5 in a memory file system, from the end of MPI's start to the finished file (reserving its space,
      writing, hashing, closing included), as the results file's run slot notes it; and the whole process beside it
and prints the ratio bare/sheaf of each pair, with its median and spread. Needs h5py.

  bench.py --sheaf build/release/app/sheaf --bare build/release/tests/bench/bare [--count 40 --size 2000 --repeats 5]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import h5py


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheaf", required=True, help="the program")
    parser.add_argument("--bare", required=True, help="the bare limit's program")
    parser.add_argument("--count", type=int, default=40, help="pairs of matrices (default 40)")
    parser.add_argument("--size", type=int, default=2000, help="rows and columns (default 2000)")
    parser.add_argument("--ranks", type=int, default=2, help="ranks (default 2)")
    parser.add_argument("--threads", type=int, default=1, help="cores per rank (default 1)")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of measurements (default 5)")
    parser.add_argument("--dir", default="/dev/shm", help="a memory file system (default /dev/shm)")
    parser.add_argument("--unpinned", action="store_true", help="let OpenBLAS choose its core type on both sides")
    parser.add_argument("--order", choices=["longest", "reverse"], default="longest")
    return parser.parse_args()


def environment(unpinned):
    env = dict(os.environ)
    if unpinned:
        for name in [n for n in env if n.startswith("OPENBLAS_")]:
            del env[name]
    if os.geteuid() == 0:
        env["OMPI_ALLOW_RUN_AS_ROOT"] = env["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    return env


def call(command, env):
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def run_bare(a, env):
    return float(call([a.bare, str(a.ranks), str(a.threads), str(a.count), str(a.size)], env))


def warm_memory(directory, count):
    """Write and remove a file as large as the results: a virtual machine gives memory that lies idle back to its host, and
    the first touch afterwards costs more than all that is measured here."""
    path = os.path.join(directory, "warm")
    block = bytes(1 << 24)
    with open(path, "wb") as file:
        for _ in range(count // len(block) + 1):
            file.write(block)
    os.unlink(path)


def run_sheaf(a, env, directory):
    """Seconds inside the program, of the whole process, and the closing line."""
    out = os.path.join(directory, "products.h5")
    if os.path.exists(out):
        os.unlink(out)
    warm_memory(directory, 8 * a.count * a.size**2)
    beams = os.path.join(directory, "beams.h5")
    command = ["mpirun", "--oversubscribe", "-n", str(a.ranks), a.sheaf, "run", "matmul", f"{beams}:/a", f"{beams}:/b",
               "-o", out, "--layout", f"{a.ranks}x{a.threads}", "--order", a.order, "--progress", "none"]
    start = time.monotonic()
    text = call(command, env)
    whole = time.monotonic() - start
    with h5py.File(out) as results:
        run = results["sheaf/runs"][0]
        if results["result"].shape[0] != a.count or (results["sheaf/status"][:] != 1).any():
            sys.exit(f"{out}: not every task is done")
        inside = float(run["end"] - run["start"])
    return inside, whole, next(line for line in text.splitlines() if line.startswith("done:"))


def spread(values):
    return f"median {statistics.median(values):.3f}, from {min(values):.3f} to {max(values):.3f}"


def main():
    a = parse_arguments()
    env = environment(a.unpinned)
    directory = tempfile.mkdtemp(prefix="sheaf-bench-", dir=a.dir)
    try:
        beams = os.path.join(directory, "beams.h5")
        call([a.sheaf, "make", beams, f"a=random:{a.size}x{a.size}", f"b=random:{a.size}x{a.size}", "--count",
              str(a.count), "--progress", "none"], env)
        core = env.get("OPENBLAS_CORETYPE", "chosen by OpenBLAS")
        print(f"{a.count} products of {a.size}x{a.size} f64, {a.ranks} ranks x {a.threads}, core type {core}, "
              f"{os.cpu_count()} CPUs, {a.repeats} pairs in turn after one of each to warm up")
        run_bare(a, env)
        run_sheaf(a, env, directory)
        bare, inside, whole, closing = [], [], [], ""
        for _ in range(a.repeats):
            bare.append(run_bare(a, env))
            seconds, process, closing = run_sheaf(a, env, directory)
            inside.append(seconds)
            whole.append(process)
        flops = 2.0 * a.count * a.size**3
        print(f"bare          {spread(bare)} s = {1e-9 * flops / statistics.median(bare):.1f} GF/s")
        print(f"sheaf inside  {spread(inside)} s = {1e-9 * flops / statistics.median(inside):.1f} GF/s")
        print(f"sheaf process {spread(whole)} s")
        print(f"last run's    {closing}")
        print(f"bare/sheaf    {spread([b / s for b, s in zip(bare, inside)])}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
