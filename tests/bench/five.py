#!/usr/bin/env python3
"""The classic five-way comparison: who has the threads, BLAS, the tasks, or nobody but processes?

100 pairs of random 2000x2000 matrices are generated and multiplied in five ways, in NumPy and in Sheaf, on C cores:
                               NumPy                                           sheaf run --layout
  no threads                   a loop; BLAS has 1 thread                       1x1
  BLAS threads                 a loop; BLAS has C threads                      1xC:C
  threads = cores              concurrent.futures, C threads; BLAS has 1       1xC:1
  processes                    multiprocessing, C processes; BLAS has 1        Cx1
  processes and BLAS threads   multiprocessing, C processes; BLAS has C each   CxC:C
  auto                         -                                               none: Sheaf chooses

in turn, round after round. Both sides generate, multiply, and write all products to HDF5 in a memory file system. NumPy does
it as a careful user would, with a generator for each task, and thrice:
  one file             what Sheaf makes too: one dataset of all products; processes send them to their parent, which writes
  a file each          each product straight from where it was computed into a file of its own: no lock, no pipe
  nothing written      each product dropped; Sheaf always writes
The first round warms up, and there products of every way are checked. Seconds are medians, with the least and the greatest:
  inside  Sheaf: from the end of MPI's start to the finished file, as its run slot notes them; NumPy: with imports done and
          workers running, to the last file closed
  whole   from starting the process to its end, mpirun's included
The limit is the products alone, of matrices that are in memory, on all cores (bare.c, a process a core or one with BLAS threads,
whichever is quicker): what calls this BLAS cannot take less.
The ratio at the end is the median of each round's: the best of NumPy's five rows to the best of Sheaf's, the best being the
one of the least median. OpenBLAS chooses its core type on both sides, unless --core-type pins it.

  run.sh --five [--count 100 --size 2000 --repeats 5 --core-type Haswell ...]
"""

import argparse
import collections
import concurrent.futures
import csv
import functools
import multiprocessing
import os
import statistics
import sys
import time

import h5py
import numpy as np

sys.dont_write_bytecode = True
from common import (add_options, available_memory, call, core_of, describe_run, digits, environment, figure,  # noqa: E402
                    run_sheaf, scratch, timed, warm_memory)

# way: whether BLAS has all cores, and Sheaf's layout
WAYS = {
    "no threads": (False, "1x1"),
    "BLAS threads": (True, "1x{0}:{0}"),
    "threads = cores": (False, "1x{0}:1"),
    "processes": (False, "{0}x1"),
    "processes and BLAS threads": (True, "{0}x{0}:{0}"),
}
AUTO = "auto"
LIMIT = "limit"
ONE, EACH, DROPPED = NUMPY = ("one file", "a file each", "nothing written")
SIDES = {**{how: f"NumPy, {how}" for how in NUMPY}, "sheaf": "Sheaf"}
PARTS = ("inside", "whole")
CHECKED = 2  # products of each way
CSV_HEAD = ("way", "side", "layout", "core_type", "count", "size", "rounds",
            *(f"{part}_{name}" for part in PARTS for name in ("median", "least", "greatest")))


def draw_pair(i, size):
    generator = np.random.default_rng([1, i])
    return generator.random((size, size)), generator.random((size, size))


def product_path(target, i):
    return f"{target}.{i}"


def multiply(size, how, target, i):
    """One task of NumPy's side."""
    a, b = draw_pair(i, size)
    product = a @ b
    if how == EACH:
        with h5py.File(product_path(target, i), "w") as file:
            file["result"] = product
    return i, product if how == ONE else None


def ready(_):
    """What workers do before the clock starts; long enough for each to get one."""
    time.sleep(0.1)


def time_map(mapped, count, size, how, target):
    """Prints the seconds of all tasks, to the last file closed."""
    start = time.monotonic()
    products = mapped(functools.partial(multiply, size, how, target), range(count))
    if how == ONE:
        with h5py.File(target, "w") as file:
            stack = file.create_dataset("result", (count, size, size), "f8")
            for i, product in products:
                stack[i] = product
    else:
        collections.deque(products, maxlen=0)
    print(time.monotonic() - start)


def time_numpy(way, cores, *job):
    """What is measured of NumPy, in a process of its own."""
    if way == "threads = cores":
        with concurrent.futures.ThreadPoolExecutor(cores) as threads:
            list(threads.map(ready, range(cores)))
            time_map(threads.map, *job)
    elif way.startswith("processes"):
        with multiprocessing.get_context("fork").Pool(cores) as processes:
            processes.map(ready, range(cores), chunksize=1)
            time_map(processes.imap_unordered, *job)
    else:
        time_map(map, *job)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, unpinned=True)
    parser.set_defaults(ranks=len(os.sched_getaffinity(0)))
    parser.add_argument("--limits", required=True, help="the directory of bare")
    parser.add_argument("--count", type=int, default=100, help="pairs of matrices (default 100)")
    parser.add_argument("--size", type=int, default=2000, help="rows and columns (default 2000)")
    parser.add_argument("--markdown", default="five.md", help="where the table goes (default five.md)")
    parser.add_argument("--csv", default="five.csv", help="where all figures go (default five.csv)")
    return parser.parse_args()


def measure_numpy(a, env, directory, way, how):
    """Seconds inside and of the whole process; leaves its products."""
    threads = str(a.ranks if WAYS[way][0] else 1)
    text, whole = timed([sys.executable, os.path.abspath(__file__), "--numpy", way, str(a.ranks), str(a.count), str(a.size),
                         how, os.path.join(directory, "numpy.h5")],
                        {**env, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads})
    return float(text), whole


def layout_of(a, way):
    return "" if way == AUTO else WAYS[way][1].format(a.ranks)


def measure_sheaf(a, env, directory, way):
    layout = layout_of(a, way)
    operand = f"random:{a.size}x{a.size}"
    inside, whole, _ = run_sheaf(a.sheaf, env, a.ranks, "matmul", [operand, operand], os.path.join(directory, "sheaf.h5"),
                                 "--count", str(a.count), *(["--layout", layout] if layout else []))
    return inside, whole


def check_product(who, i, found, pair):
    a, b = pair
    if found.shape != a.shape or not np.allclose(found, a @ b, rtol=1e-9, atol=0):  # no summand is negative
        sys.exit(f"{who}: product {i} is wrong")


def check(a, directory, way, side, operands_path):
    """Products of the run that has just ended, against NumPy's, the last one among its own."""
    target = os.path.join(directory, "sheaf.h5" if side == "sheaf" else "numpy.h5")
    if side == "sheaf":
        with h5py.File(target) as results, h5py.File(operands_path) as pairs:
            for i in range(len(pairs["a"])):
                check_product(f"Sheaf, {way}", i, results["result"][i], (pairs["a"][i], pairs["b"][i]))
    elif side != DROPPED:
        for i in {*range(min(CHECKED, a.count)), a.count - 1}:
            path, index = (target, i) if side == ONE else (product_path(target, i), ...)
            with h5py.File(path) as file:
                check_product(f"NumPy, {way}, {side}", i, file["result"][index], draw_pair(i, a.size))


def make_operands(a, env, path):
    """The first pairs that `sheaf run` draws, to check its products: they do not depend on how many there are."""
    operand = f"random:{a.size}x{a.size}"
    call([a.sheaf, "make", path, f"a={operand}", f"b={operand}", "--count", str(min(CHECKED, a.count)), "--progress", "none"],
         env)


def measure_limit(a, env):
    """Seconds of the products alone."""
    bare = os.path.join(a.limits, "bare")
    return min(float(call([bare, str(ranks), str(a.ranks // ranks), str(a.count), str(a.size)], env)) for ranks in {1, a.ranks})


def measure_round(a, env, directory, seconds, operands_path):
    """Everything once; adds to {(way, side): [(inside, whole), ...]}. Products are checked if there are operands to."""
    limit = measure_limit(a, env)
    seconds.setdefault((LIMIT, LIMIT), []).append((limit, limit))
    for way in (*WAYS, AUTO):
        for side in SIDES if way != AUTO else ["sheaf"]:
            if side != DROPPED:
                warm_memory(directory, 8 * a.count * a.size**2)
            times = (measure_sheaf(a, env, directory, way) if side == "sheaf"
                     else measure_numpy(a, env, directory, way, side))
            seconds.setdefault((way, side), []).append(times)
            if operands_path:
                check(a, directory, way, side, operands_path)
            for name in os.listdir(directory):
                if name.startswith(("numpy.h5", "sheaf.h5")):
                    os.unlink(os.path.join(directory, name))


def times_of(seconds, way, side, part):
    return [pair[PARTS.index(part)] for pair in seconds[way, side]]


def best_way(seconds, side, part):
    return min((way for way, s in seconds if s == side), key=lambda way: statistics.median(times_of(seconds, way, side, part)))


def best_ratio(seconds, side, part):
    """Of the best row of SIDE to Sheaf's best row: the median of the rounds'; and both rows."""
    theirs, ours = best_way(seconds, side, part), best_way(seconds, "sheaf", part)
    pairs = zip(times_of(seconds, theirs, side, part), times_of(seconds, ours, "sheaf", part))
    return statistics.median(t / o for t, o in pairs), theirs, ours


def over_limit(seconds, side):
    """Seconds of a side's best row to the limit's: the median of the rounds'."""
    best = times_of(seconds, best_way(seconds, side, "inside"), side, "inside")
    return statistics.median(s / limit for s, limit in zip(best, times_of(seconds, LIMIT, LIMIT, "inside")))


def markdown(a, core, seconds):
    lines = [describe_run(a, core, [f"numpy {np.__version__}", f"h5py {h5py.__version__}"]), ""]
    for part in PARTS:
        lines += [f"| {a.count} pairs of random {a.size}x{a.size}, seconds {part} | {' | '.join(SIDES.values())} | layout |",
                  "|---" * (2 + len(SIDES)) + "|"]
        for way in (*WAYS, AUTO):
            cells = [figure(times_of(seconds, way, side, part)) if (way, side) in seconds else "-" for side in SIDES]
            lines.append(f"| {way} | {' | '.join(cells)} | {layout_of(a, way) or '-'} |")
        lines.append("")
    for part in PARTS:
        for side in NUMPY:
            ratio, theirs, ours = best_ratio(seconds, side, part)
            lines.append(f"{part}: Sheaf ({ours}) is {digits(ratio)} times as fast as {SIDES[side]} ({theirs}).  ")
    limit = times_of(seconds, LIMIT, LIMIT, "inside")
    over = "; ".join(f"{name} {digits(over_limit(seconds, side))}" for side, name in SIDES.items())
    lines.append(f"Limit, the products alone: {figure(limit)} s. Seconds inside, of the best way, to the limit's: {over}.")
    return "\n".join(lines) + "\n"


def csv_rows(a, core, seconds):
    for way, side in seconds:
        spreads = [f"{f(times_of(seconds, way, side, part)):.6f}" for part in PARTS for f in (statistics.median, min, max)]
        layout = layout_of(a, way) if side == "sheaf" else ""
        yield [way, side, layout, core, a.count, a.size, len(seconds[way, side]), *spreads]


def write_files(a, core, seconds):
    with open(a.markdown, "w", encoding="utf-8") as file:
        file.write(markdown(a, core, seconds))
    with open(a.csv, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_HEAD)
        writer.writerows(csv_rows(a, core, seconds))


def main():
    if sys.argv[1:2] == ["--numpy"]:
        way, cores, count, size, how, target = sys.argv[2:]
        time_numpy(way, int(cores), int(count), int(size), how, target)
        return
    a = parse_arguments()
    env = environment(True)
    if a.core_type:
        env["OPENBLAS_CORETYPE"] = a.core_type
    core, first, seconds = core_of(a.sheaf, env), {}, {}
    if 16 * a.count * a.size**2 > available_memory():
        sys.exit(f"products of {8 * a.count * a.size**2} bytes are more than half of the memory that is free: --count")
    with scratch(a.dir) as directory:
        operands_path = os.path.join(directory, "operands.h5")
        make_operands(a, env, operands_path)
        measure_round(a, env, directory, first, operands_path)
        for i in range(a.repeats):
            measure_round(a, env, directory, seconds, None)
            write_files(a, core, seconds)  # what there is, should it be stopped
            print(f"round {i + 1} of {a.repeats}", file=sys.stderr, flush=True)
    write_files(a, core, seconds or first)
    with open(a.markdown, encoding="utf-8") as file:
        print(file.read(), end="")


if __name__ == "__main__":
    main()
