"""What the benchmarks share: their options, how they start programs, how they take times and show them."""

import contextlib
import datetime
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import h5py


def add_options(parser, repeats=5, unpinned=False):
    """The options that all benchmarks of `sheaf run` have. UNPINNED: it is so already, and pinning is the option."""
    parser.add_argument("--sheaf", required=True, help="the program")
    parser.add_argument("--ranks", type=int, default=2, help="ranks (default 2)")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"rounds of measurements (default {repeats})")
    parser.add_argument("--dir", default="/dev/shm", help="a memory file system (default /dev/shm)")
    if unpinned:
        parser.add_argument("--core-type", help="pin OpenBLAS's (Haswell, SkylakeX, ...), on all sides alike; else it chooses")
    else:
        parser.add_argument("--unpinned", action="store_true", help="let OpenBLAS choose its core type, on all sides alike")


def environment(unpinned):
    env = dict(os.environ)
    if unpinned:
        for name in [n for n in env if n.startswith("OPENBLAS_")]:
            del env[name]
    if os.geteuid() == 0:
        env["OMPI_ALLOW_RUN_AS_ROOT"] = env["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    return env


def core_type(env):
    return env.get("OPENBLAS_CORETYPE", "chosen by OpenBLAS")


def core_of(sheaf, env):
    """The core type that is in use, and who chose it."""
    found = re.search(r"^ *BLAS core +(\S+)", call([sheaf, "info"], env), re.MULTILINE)
    return f"{found[1] if found else 'unknown'}, {'pinned' if 'OPENBLAS_CORETYPE' in env else 'not pinned'}"


def describe_run(a, core, versions):
    """The line above a table: the machine, and what was measured on it."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return (f"{cpu}, {os.cpu_count()} CPUs, {a.ranks} ranks or workers; OpenBLAS core type {core}; {', '.join(versions)}; "
            f"medians of {max(1, a.repeats)} (least–greatest); {datetime.date.today()}.")


@contextlib.contextmanager
def scratch(parent):
    """A directory of its own for the files of a benchmark, which fill memory: gone at its end, also when it is terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = tempfile.mkdtemp(prefix="sheaf-bench-", dir=parent)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def call(command, env):
    """What it printed. When we are told to end, so are it and its workers: they are a group of their own."""
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, start_new_session=True) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{output}{errors}")
    return output


def timed(command, env):
    """What it printed, and the seconds of the whole process."""
    start = time.monotonic()
    text = call(command, env)
    return text, time.monotonic() - start


def available_memory():
    """Bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return 1024 * int(next(line for line in file if line.startswith("MemAvailable:")).split()[1])


def warm_memory(directory, count):
    """Write and remove a file as large as the results: a virtual machine gives memory that lies idle back to its host, and
    the first touch afterwards costs more than all that is measured here. Never so much that the machine runs out of it."""
    if count > available_memory() // 2:
        sys.exit(f"results of {count} bytes are more than half of the memory that is free")
    path = os.path.join(directory, "warm")
    block = bytes(1 << 24)
    with open(path, "wb") as file:
        for _ in range(count // len(block) + 1):
            file.write(block)
    os.unlink(path)


def run_sheaf(sheaf, env, ranks, kernel, operands, target, *options):
    """Seconds inside the program, from the end of MPI's start to the finished file, as the results file's run slot notes
    them; of the whole process; and the closing line. RANKS 0: without mpirun."""
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
    text, whole = timed([*launcher, sheaf, "run", kernel, *operands, "-o", target,
                         *options, "--progress", "none"], env)
    with h5py.File(target) as results:
        run = results["sheaf/runs"][0]
        if (results["sheaf/status"][:] != 1).any():
            sys.exit(f"{target}: not every task is done")
        inside = float(run["end"] - run["start"])
    return inside, whole, next(line for line in text.splitlines() if line.startswith("done:"))


def digits(number):
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def figure(values):
    """A cell of a table."""
    text = digits(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({digits(min(values))}–{digits(max(values))})"


def spread(values):
    return f"median {statistics.median(values):.3f}, from {min(values):.3f} to {max(values):.3f}"
