"""What the tests of the whole program share: to run it, to make its inputs, to look at its results and at what it
leaves behind.

SHEAF is the program, RANKS the number of ranks that a test runs it with: a single one without a launcher, as it takes a
quarter of the time, unless a test asks for one.
"""
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import uuid

import h5py
import numpy as np

SHEAF = os.environ["SHEAF"]
RANKS = int(os.environ.get("RANKS", "1"))
LAUNCHED = RANKS if RANKS > 1 else 0  # ranks that a launcher starts

USAGE, BAD_DATA, NO_INPUT, NO_RESOURCES, NO_OUTPUT, IO_ERROR, INTERRUPTED = 64, 65, 66, 71, 73, 74, 75
TASK_DONE, TASK_SINGULAR, TASK_NOT_FINITE = 1, 2, 5
CHUNK_PENDING, CHUNK_STARTED, CHUNK_DONE = 0, 1, 2
RUN_RUNNING, RUN_FINISHED, RUN_DRAINED, RUN_FAILED = 1, 2, 3, 4

TYPES = {"f32": np.float32, "f64": np.float64, "c64": np.complex64, "c128": np.complex128}

# Most of a small run would be Open MPI's search for networks, and the daemon that a run without a launcher starts.
QUICK_START = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,vader", "OMPI_MCA_ess_singleton_isolated": "1"}


class Outcome:
    """How a run ended."""

    def __init__(self, arguments, code, out, err, seconds):
        self.arguments, self.code, self.out, self.err, self.seconds = arguments, code, out, err, seconds

    def complaints(self):
        """What Sheaf itself said on stderr, without the launcher's banners."""
        return [line for line in self.err.splitlines() if line.startswith("sheaf: ")]

    def __str__(self):
        return (f"{' '.join(self.arguments)}\nexit {self.code} after {self.seconds:.1f} s\n"
                f"--- stdout\n{self.out}--- stderr\n{self.err}---")


class SheafTest(unittest.TestCase):
    """A test with a directory of its own; at its end nothing of what it started may be left."""

    # False: Open MPI starts as users have it.
    quick_start = True

    # A run that was killed leaves the launcher's files behind.
    launcher_may_leave_files = False

    # Words in front of every command that is started: what limits it, say.
    wrapper = ()

    # The same, but behind the launcher: what runs each rank.
    rank_wrapper = ()

    def setUp(self):
        self.marker = uuid.uuid4().hex
        self.work = self._make_directory(None)
        # Where Open MPI keeps segments and sessions: own directories, so that leftovers are certainly ours.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.segments = self._make_directory(memory)
        self.sessions = self._make_directory(None)
        self.environment = {
            **os.environ,
            "SHEAF_TEST_MARKER": self.marker,
            # Whatever else this machine computes is no finding.
            "SHEAF_NEIGHBOURS": "0",
            "TMPDIR": str(self.sessions),
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_btl_vader_backing_directory": str(self.segments),
            "OMPI_MCA_osc_sm_backing_directory": str(self.segments),
            **(QUICK_START if self.quick_start else {}),
        }
        self.addCleanup(self._check_leftovers)

    def _make_directory(self, parent):
        path = pathlib.Path(tempfile.mkdtemp(prefix="sheaf-", dir=parent))
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def _check_leftovers(self):
        processes = self.processes()
        end = time.monotonic() + 5
        while processes and time.monotonic() < end:  # mpirun may return while its ranks still exit
            time.sleep(0.05)
            processes = self.processes()
        self.kill_all()
        self.assertEqual(processes, {}, "processes are left")
        partial = [str(path) for path in self.work.rglob("*.partial-*")]
        self.assertEqual(partial, [], "unfinished files are left")
        if not self.launcher_may_leave_files:
            left = [str(path) for top in (self.segments, self.sessions) for path in top.rglob("*") if path.is_file()]
            self.assertEqual(left, [], "segments or session files are left")

    # ---- processes ----

    def processes(self):
        """Command lines of our processes that live, by number: those that inherited our marker."""
        found = {}
        wanted = f"SHEAF_TEST_MARKER={self.marker}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    ours = wanted in file.read().split(b"\0")
                with open(f"/proc/{entry}/stat") as file:
                    zombie = file.read().rsplit(")", 1)[1].split()[0] == "Z"
                if ours and not zombie:
                    with open(f"/proc/{entry}/cmdline") as file:
                        found[int(entry)] = file.read().replace("\0", " ").strip()
            except OSError:
                pass  # it has ended, or is somebody else's
        return found

    def rank_processes(self):
        """Numbers of the processes of our ranks, by rank; without a launcher, rank 0."""
        found = {}
        for process, line in self.processes().items():
            if not line.startswith(SHEAF):
                continue
            try:
                with open(f"/proc/{process}/environ") as file:
                    match = re.search("OMPI_COMM_WORLD_RANK=([0-9]+)", file.read())
                found[int(match[1]) if match else 0] = process
            except OSError:
                pass
        return found

    def kill_all(self):
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # ---- running Sheaf ----

    def start(self, *arguments, ranks=LAUNCHED, environment=None):
        """Start `sheaf ARGUMENTS` in the work directory; ranks=0: without a launcher. Returns the process."""
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        return self.start_command(*launcher, *self.rank_wrapper, SHEAF, *map(str, arguments), environment=environment)

    def start_command(self, *words, environment=None):
        """Start any command as start() starts Sheaf."""
        return subprocess.Popen([*self.wrapper, *words], cwd=self.work, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**self.environment, **(environment or {})}, start_new_session=True,
                                errors="replace")

    def wait_for_file(self, process, name="out.h5", limit=60.0):
        """Until what start() started has made this file; one that ends before fails the test."""
        end = time.monotonic() + limit
        while not self.path(name).exists():
            self.assertIsNone(process.poll(), f"ended before it made {name}")
            self.assertLess(time.monotonic(), end, f"makes no {name}")
            time.sleep(0.002)

    def wait_until(self, process, reached, limit=60.0):
        """Until the file of what start() started holds what the test waits for."""
        end = time.monotonic() + limit
        while not reached():
            self.assertIsNone(process.poll(), "it ended before the test ended it")
            self.assertLess(time.monotonic(), end, "it gets nowhere")
            time.sleep(0.005)

    def finish(self, process, limit=60.0):
        """Wait for the end of what start() started; one that does not end is killed, and the test fails."""
        start = time.monotonic()
        late = False
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            late = True
            process.kill()
            self.kill_all()
            out, err = process.communicate()
        outcome = Outcome(process.args, process.returncode, out, err, time.monotonic() - start)
        self.assertFalse(late, f"did not end within {limit} s: {outcome}")
        return outcome

    def sheaf(self, *arguments, code=0, limit=60.0, ranks=LAUNCHED, environment=None):
        """Run `sheaf ARGUMENTS` and demand its exit code (None: any)."""
        outcome = self.finish(self.start(*arguments, ranks=ranks, environment=environment), limit)
        if code is not None:
            self.assertEqual(outcome.code, code, str(outcome))
        return outcome

    def compute(self, kernel, *operands, output="out.h5", **how):
        """Run a kernel with default exit code 0; returns its result."""
        self.sheaf("run", kernel, *operands, "-o", output, "--overwrite", **how)
        return self.read(output)

    # ---- files ----

    def path(self, name):
        return self.work / name

    def write(self, name, **datasets):
        """An HDF5 file with these arrays."""
        with h5py.File(self.path(name), "w") as file:
            for key, value in datasets.items():
                file[key] = value

    def read(self, name, dataset="result"):
        with h5py.File(self.path(name), "r") as file:
            return file[dataset][...]

    def snapshot(self):
        """What the work directory holds: names, kinds and contents."""
        return {str(path): path.read_bytes() if path.is_file() else None for path in self.work.rglob("*")}

    # ---- comparing ----

    def assertSameBits(self, found, expected, message=""):
        self.assertEqual((found.shape, found.dtype), (expected.shape, expected.dtype), message)
        if found.tobytes() != expected.tobytes():
            differ = np.flatnonzero([x.tobytes() != y.tobytes() for x, y in zip(found, expected)])
            self.fail(f"{message}: differs in {len(differ)} of {len(found)} tasks, the first is {differ[:1]}")

    def assertWithin(self, found, expected, bound, message=""):
        """|found - expected| <= bound, element by element; a NaN is never within."""
        self.assertEqual(found.shape, expected.shape, message)
        wrong = ~(np.abs(found - expected) <= bound)
        if wrong.any():
            first = tuple(np.argwhere(wrong)[0])
            limit = np.broadcast_to(bound, wrong.shape)[first]
            self.fail(f"{message}: {wrong.sum()} of {wrong.size} elements are wrong, the first is {first}: "
                      f"found {found[first]}, expected {expected[first]} +- {limit}")


def thread_seconds(process):
    """Seconds on a core of each thread of a process, to the nanosecond where the system counts them."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        try:
            seconds[int(task.name)] = int((task / "schedstat").read_text().split()[0]) * 1e-9
        except OSError:
            # utime and stime: the 14th and 15th field, counted behind the name, which may hold anything
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            seconds[int(task.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def thread_shares(processes, seconds):
    """Share of a core that each thread of each of the processes takes during so many seconds from now on."""
    start, before = time.monotonic(), {process: thread_seconds(process) for process in processes}
    time.sleep(seconds)
    after, seconds = {process: thread_seconds(process) for process in processes}, time.monotonic() - start
    return {process: {thread: (used - before[process].get(thread, 0)) / seconds for thread, used in threads.items()}
            for process, threads in after.items()}


def unit_roundoff(dtype):
    return float(np.finfo(dtype).eps) / 2


def product_and_bound(a, b):
    """A B, summed with more digits than a and b have, and the most by which any other sum in their type may differ.

    |fl(AB) - AB| <= gamma(k) |A| |B|, gamma(k) = k u / (1 - k u), for any order of the summation, and for complex
    numbers sqrt(2) gamma(k + 1) (N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.13 and lemma
    3.5). What is found was rounded to its type once more than the exact sum: one more term.
    """
    is_complex = np.iscomplexobj(a)
    wide = np.clongdouble if is_complex else np.longdouble
    u = unit_roundoff(a.dtype)
    terms = a.shape[-1] + 2
    gamma = terms * u / (1 - terms * u) * (np.sqrt(2) if is_complex else 1)
    return a.astype(wide) @ b.astype(wide), gamma * (np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble))


def conjugate_transpose(a):
    return np.swapaxes(a, -1, -2).conj()


def inverse_ratios(a, x):
    """For each task |A X - I| / (n u |A| |X|), in the 1-norm: LAPACK's own tests (xGET03) demand less than 30 of it."""
    wide = np.clongdouble if np.iscomplexobj(a) else np.longdouble
    a, x, u = a.astype(wide), x.astype(wide), unit_roundoff(a.dtype)

    def norm(matrices):
        return np.abs(matrices).sum(axis=-2).max(axis=-1)

    n = a.shape[-1]
    return norm(a @ x - np.eye(n)) / (n * 2 * u * norm(a) * norm(x))


def random_array(shape, dtype, seed=1):
    """Normal numbers, in both parts where they are complex."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * generator.standard_normal(shape)
    return values.astype(dtype)


def regular_array(shape, dtype, seed=1):
    """Matrices that are far from singular: by Gershgorin their eigenvalues are."""
    n = shape[-1]
    return (random_array(shape, dtype, seed) + 4 * n * np.eye(n)).astype(dtype)


# ---- the results file, by io/FORMAT.md ----


def load_xxh3():
    """XXH3 (64 bits) of the library that Sheaf is linked with: (bytes, seed) -> int."""
    library = ctypes.CDLL("libxxhash.so.0")
    function = library.XXH3_64bits_withSeed
    function.restype = ctypes.c_uint64
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return lambda data, seed=0: function(data, len(data), seed)


xxh3 = load_xxh3()


def read_rows(file, name, row_bytes):
    """Rows of a table of /sheaf as h5py reads them, and as they lie in the file, reserved bytes included."""
    dataset = file["sheaf"][name]
    assert dataset.dtype.itemsize == row_bytes, f"{name}: rows of {dataset.dtype.itemsize} bytes"
    with open(file.filename, "rb") as raw:
        raw.seek(dataset.id.get_offset())
        data = raw.read(row_bytes * len(dataset))
    return dataset[...], [data[i:i + row_bytes] for i in range(0, len(data), row_bytes)]


def is_sealed(raw, seed):
    """Whether a row's checksum, its last 8 bytes, is that of what is before it."""
    return xxh3(raw[:-8], seed) == int.from_bytes(raw[-8:], "little")


def valid_chunks(file):
    """Records of /sheaf/chunks whose checksum holds, by number of chunk."""
    rows, raw = read_rows(file, "chunks", 128)
    return {i: row for i, row in enumerate(rows) if row["state"] and is_sealed(raw[i], i)}
