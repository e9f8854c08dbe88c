#!/usr/bin/env python3
"""What a user would write instead of `sheaf run`: one kernel over all tasks of an HDF5 file, into another one.

Each peer is one function, written as the documentation of its library suggests, with one process a core. Tasks are handed out
in blocks of up to 8 MB that a worker reads with h5py for itself; the parent writes the result. Workers are there before the
clock starts, interpreter and imports with them; what is measured is reading, computing, writing and closing. Run by
table.py, in a process of its own; prints its seconds.

  peers.py PEER JOB     PEER: numpy, pool, mpi4py or joblib; JOB: a struct Job as JSON
"""

import dataclasses
import functools
import importlib.util
import json
import multiprocessing
import sys
import time

import h5py
import numpy as np

BLOCK_BYTES = 8 << 20


@dataclasses.dataclass
class Job:
    kernel: str
    source: str
    target: str
    operands: list  # names of the source's datasets, or groups of datasets
    form: str       # "stack": datasets (N, ...); "set": a dataset a task, all alike; "unequal": of unlike shapes
    workers: int


def sqdiff(a, b):
    difference = np.subtract(a, b, out=a)
    return np.einsum("...i,...i->...", difference, difference)


KERNELS = {  # names of the outputs, as Sheaf's, and the function of stacks
    "matmul": (("result",), np.matmul),
    "inv": (("result",), np.linalg.inv),
    "cholesky": (("result",), np.linalg.cholesky),
    "svd": (("u", "s", "vt"), functools.partial(np.linalg.svd, full_matrices=False)),
    "eigh": (("w", "v"), np.linalg.eigh),
    "det": (("result",), np.linalg.det),
    "sqdiff": (("result",), sqdiff),
}


@functools.lru_cache
def source_of(path):
    """Opened once in each worker."""
    return h5py.File(path, "r")


def read(job, block):
    """The block's operands, each as one stack."""
    file = source_of(job.source)
    if job.form == "stack":
        return [file[operand][block[0]:block[1]] for operand in job.operands]
    return [np.stack([file[operand][name][...] for name in block[2]]) for operand in job.operands]


def compute(job, block):
    """The block with its outputs."""
    outputs = KERNELS[job.kernel][1](*read(job, block))
    return block, outputs if isinstance(outputs, tuple) else (outputs,)


def ready(_):
    """What workers do before the clock starts; long enough for each to get one."""
    time.sleep(0.1)


def split(job, workers):
    """Blocks (first, end, names), the longest first where tasks are unlike: enough for all workers, none too large."""
    with h5py.File(job.source, "r") as file:
        operand = file[job.operands[0]]
        if job.form == "stack":
            names, count, task_bytes = None, len(operand), operand.nbytes // len(operand)
        else:
            names = sorted(operand, key=(lambda name: -operand[name].size) if job.form == "unequal" else int)
            count, task_bytes = len(names), operand[names[0]].nbytes
    length = 1 if job.form == "unequal" else max(1, min(BLOCK_BYTES // task_bytes, count // (4 * workers)))
    return count, [(i, min(i + length, count), names and names[i:i + length]) for i in range(0, count, length)]


def write(job, count, blocks):
    with h5py.File(job.target, "w") as file:
        for (first, end, names), outputs in blocks:
            for output, values in zip(KERNELS[job.kernel][0], outputs):
                if job.form == "unequal":
                    file[f"{output}/{names[0]}"] = values[0]
                    continue
                if output not in file:
                    file.create_dataset(output, (count, *values.shape[1:]), values.dtype)
                file[output][first:end] = values


def run_numpy(job):
    """All at once, where tasks are alike; BLAS has all cores."""
    start = time.monotonic()
    count, blocks = split(job, 1)
    if job.form != "unequal":
        blocks = [(0, count, [name for block in blocks for name in block[2]] if blocks[0][2] else None)]
    write(job, count, (compute(job, block) for block in blocks))
    return time.monotonic() - start


def run_pool(job):
    with multiprocessing.get_context("fork").Pool(job.workers) as pool:
        pool.map(ready, range(job.workers), chunksize=1)
        start = time.monotonic()
        count, blocks = split(job, job.workers)
        write(job, count, pool.imap_unordered(functools.partial(compute, job), blocks))
        return time.monotonic() - start


def run_mpi4py(job):
    from mpi4py.futures import MPIPoolExecutor
    with MPIPoolExecutor(job.workers) as executor:
        list(executor.map(ready, range(job.workers)))
        start = time.monotonic()
        count, blocks = split(job, job.workers)
        write(job, count, executor.map(functools.partial(compute, job), blocks, unordered=True))
        return time.monotonic() - start


def run_joblib(job):
    from joblib import Parallel, delayed
    with Parallel(n_jobs=job.workers) as parallel:
        parallel(delayed(ready)(i) for i in range(job.workers))
        start = time.monotonic()
        count, blocks = split(job, job.workers)
        write(job, count, parallel(delayed(compute)(job, block) for block in blocks))
        return time.monotonic() - start


PEERS = {"numpy": run_numpy, "pool": run_pool, "mpi4py": run_mpi4py, "joblib": run_joblib}


def is_installed(peer):
    return peer == "pool" or importlib.util.find_spec(peer) is not None


def command(peer, job):
    """What starts the peer, and what it adds to the environment."""
    words = [sys.executable]
    if peer == "mpi4py":  # one rank hands out the tasks and is idle else
        words = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(job.workers + 1), sys.executable, "-m",
                 "mpi4py.futures"]
    threads = {} if peer == "numpy" else {"OPENBLAS_NUM_THREADS": "1"}
    return [*words, __file__, peer, json.dumps(dataclasses.asdict(job))], {**threads, "PYTHONDONTWRITEBYTECODE": "1"}


def main(peer, job):
    print(PEERS[peer](Job(**json.loads(job))))


if __name__ == "__main__":
    import peers  # by its name, under which workers find its functions, and not a second time in each block
    peers.main(*sys.argv[1:])
