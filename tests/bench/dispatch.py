#!/usr/bin/env python3
"""How fast tasks that do nothing are handed out and committed, beside what Python's pools take for the same.

Measures, side by side and in turn (A B C A B C ...), on R ranks or workers:
  sheaf            sheaf run noop: each task handed out, its status written, its record committed to the results file in a
                   memory file system; from the first task to the last commit, by the records; and the whole run, from the
                   end of MPI's start to the finished file
  mpi4py           mpi4py.futures' MPIPoolExecutor: map of a function that does nothing, its results collected by one more
                   rank, which is how it works; nothing is kept on disk. From the first task to the last result
  multiprocessing  Python's process pool, likewise
once with one task a chunk, and once where tasks share chunks (of Sheaf's own size, for all). Prints tasks per second and
the ratios sheaf/peer of each round, with their medians and spread. Needs h5py; without mpi4py that peer is left out.

  dispatch.py --sheaf build/release/app/sheaf [--chunks 400000 --tasks 100000000 --repeats 5]
"""

import argparse
import importlib.util
import multiprocessing
import os
import sys
import time

import h5py

sys.dont_write_bytecode = True
from common import add_options, call, environment, run_sheaf, scratch, spread  # noqa: E402

TASKS_PER_CHUNK = 16384  # the grid's most
NOMINAL_FLOPS = {"one task a chunk": "1e9", "tasks share chunks": "0"}
PEERS = [name for name in ("mpi4py", "multiprocessing") if importlib.util.find_spec(name)]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--chunks", type=int, default=400_000, help="chunks of one task (default 400000)")
    parser.add_argument("--tasks", type=int, default=100_000_000, help="tasks that share chunks (default 100000000)")
    parser.add_argument("--peer-chunks", type=int, default=20_000, help="the same for the peers (default 20000)")
    parser.add_argument("--peer-tasks", type=int, default=2_000_000, help="the same for the peers (default 2000000)")
    return parser.parse_args()


def nothing(_):
    """A peer's task."""


def be_a_peer(name, workers, tasks, per_chunk):
    """A process of its own; prints its seconds, from the first task to the last result."""
    if name == "mpi4py":
        from mpi4py.futures import MPIPoolExecutor
        pool = MPIPoolExecutor()
        pool.bootup()
    else:
        pool = multiprocessing.Pool(workers)
    with pool:
        for _ in pool.map(nothing, range(10 * workers)):  # all workers have started
            pass
        start = time.monotonic()
        done = sum(result is None for result in pool.map(nothing, range(tasks), chunksize=per_chunk))
        seconds = time.monotonic() - start
    if done != tasks:
        sys.exit(f"{name}: {done} of {tasks} tasks")
    print(seconds)


def measure_peer(name, a, env, tasks, per_chunk):
    """Tasks per second."""
    program = [os.path.abspath(__file__), "--peer", name, str(a.ranks), str(tasks), str(per_chunk)]
    command = [sys.executable, *program]
    if name == "mpi4py":
        command = ["mpirun", "--oversubscribe", "-n", str(a.ranks + 1), sys.executable, "-m", "mpi4py.futures", *program]
    return tasks / float(call(command, env))


def measure_sheaf(a, env, target, tasks, flops):
    """Tasks per second, from the first one to the last commit and of the whole run; and the number of chunks."""
    options = ["--count", str(tasks), "--param", f"flops={flops}", "--layout", f"{a.ranks}x1"]
    inside, _, _ = run_sheaf(a.sheaf, env, a.ranks, "noop", ["ones:1:shared"], target, *options)
    with h5py.File(target) as results:
        chunks = results["sheaf/chunks"][...]
    os.unlink(target)
    seconds = (chunks["write_start"] + chunks["write_seconds"]).max() - chunks["read_start"].min()
    return tasks / seconds, tasks / inside, len(chunks)


def measure_round(a, env, target, rates):
    for way, flops in NOMINAL_FLOPS.items():
        alone = way == "one task a chunk"
        work, whole, chunks = measure_sheaf(a, env, target, a.chunks if alone else a.tasks, flops)
        if alone and chunks != a.chunks:
            sys.exit(f"{chunks} chunks for {a.chunks} tasks")
        rates.setdefault((way, "sheaf"), []).append(work)
        rates.setdefault((way, "sheaf's whole run"), []).append(whole)
        for name in PEERS:
            peer = measure_peer(name, a, env, a.peer_chunks if alone else a.peer_tasks, 1 if alone else TASKS_PER_CHUNK)
            rates.setdefault((way, name), []).append(peer)


def report(rates):
    for way in NOMINAL_FLOPS:
        print(f"{way}, thousands of tasks a second:")
        ours = rates[way, "sheaf"]
        for name in ("sheaf", "sheaf's whole run", *PEERS):
            theirs = rates[way, name]
            ratio = f" · sheaf/{name} {spread([o / t for o, t in zip(ours, theirs)])}" if name in PEERS else ""
            print(f"  {name:17} {spread([1e-3 * rate for rate in theirs])}{ratio}")


def main():
    if sys.argv[1:2] == ["--peer"]:
        be_a_peer(sys.argv[2], *map(int, sys.argv[3:]))
        return
    a = parse_arguments()
    env = environment(a.unpinned)
    rates = {}
    with scratch(a.dir) as directory:
        target = os.path.join(directory, "nothing.h5")
        print(f"{a.chunks} chunks of one task, {a.tasks} tasks in chunks of {TASKS_PER_CHUNK} (peers: {a.peer_chunks} and "
              f"{a.peer_tasks}), {a.ranks} ranks, {os.cpu_count()} CPUs, {a.repeats} rounds in turn after one to warm up")
        measure_round(a, env, target, {})
        for _ in range(a.repeats):
            measure_round(a, env, target, rates)
    report(rates)


if __name__ == "__main__":
    main()
