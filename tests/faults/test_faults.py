"""What the system refuses in the middle of a run: each call in turn fails, is cut short, or is the last one before a kill or a power
loss. The run ends soon, with one clear error, and leaves nothing behind; nothing wrong is taken for right; and the run is gone on
with to the results of an undisturbed one.

SHEAF is the program, KERNELS the plugin of tests/faults, SHIM what is loaded before it (shim.c); STRIDE: of so many calls
one fails (1: the long test).
"""
import itertools
import os
import signal
import unittest

import h5py
import numpy as np

from sheaf_test import CHUNK_DONE, IO_ERROR, NO_INPUT, NO_OUTPUT, NO_RESOURCES, SheafTest, valid_chunks

KERNELS, SHIM = os.environ["KERNELS"], os.environ["SHIM"]
STRIDE = int(os.environ.get("STRIDE", "7"))
TASKS, LENGTH, PER_CHUNK = 48, 1024, 4
LIMIT_SECONDS = 60

# What a system that refuses makes of a run: no output, no room, no input, a fault while it runs.
CODES = (NO_INPUT, NO_RESOURCES, NO_OUTPUT, IO_ERROR)


class FaultTest(SheafTest):
    launcher_may_leave_files = True

    def setUp(self):
        super().setUp()
        # The program starts itself again for BLAS: each start would count its calls anew.
        self.environment.update(SHEAF_RESTART="0", SHEAF_TEST_PAUSE="0", SHEAF_FAULT_NOTE=str(self.path("note")))
        data = np.random.default_rng(1).random((TASKS, LENGTH))
        data[:, 0] = np.arange(TASKS)
        self.write("in.h5", a=data)
        with h5py.File(self.path("packed.h5"), "w") as file:
            file.create_dataset("a", data=data, chunks=(5, LENGTH), compression="gzip")
        self.expected = data + 1

    def words(self, *more, operand="in.h5:/a"):
        return ["run", "slow", operand, "-k", KERNELS, "-o", "out.h5", "--layout", "1x1:1", "--progress", "none", *more]

    def faulty(self, fault, **more):
        return {"LD_PRELOAD": SHIM, "SHEAF_FAULT": fault, **more}

    def injected(self):
        """Whether the fault came."""
        path = self.path("note")
        found = path.exists()
        path.unlink(missing_ok=True)
        return found

    def check_results(self, message):
        """Results that are said to be right are."""
        with h5py.File(self.path("out.h5"), "r") as file:
            result, status = file["result"][...], file["sheaf/status"][...]
            for chunk in valid_chunks(file).values():
                if chunk["state"] == CHUNK_DONE:
                    tasks = slice(chunk["first"], chunk["first"] + chunk["count"])
                    self.assertSameBits(result[tasks], self.expected[tasks], message)
                    self.assertTrue((status[tasks] == 1).all(), message)

    def check_nothing_left(self, message):
        left = {path.name for path in self.work.iterdir()} - {"in.h5", "packed.h5", "out.h5", "note", "journal"}
        self.assertEqual(left, set(), message)
        self.assertEqual([str(path) for path in self.segments.rglob("*")], [], message)
        self.assertEqual(self.processes(), {}, message)

    def go_on(self, ranks=0, operand="in.h5:/a"):
        """Without faults, to the end; whatever happened, the line is the same. The file is away then."""
        self.sheaf(*self.words("--resume", operand=operand), ranks=ranks)
        self.assertSameBits(self.read("out.h5"), self.expected)
        self.sheaf("verify", "out.h5", ranks=0)
        self.path("out.h5").unlink()

    def disturb(self, fault, *more, harmless=False, ranks=0, operand="in.h5:/a"):
        """A run with a fault. @return whether it came"""
        outcome = self.sheaf(*self.words(*more, operand=operand), code=None, limit=LIMIT_SECONDS, ranks=ranks,
                             environment=self.faulty(fault))
        came = self.injected()
        message = f"{fault}: {outcome}"
        if outcome.code == 0 or not came or harmless:
            self.assertEqual((outcome.code, outcome.complaints()), (0, []), message)
        else:
            self.assertIn(outcome.code, CODES, message)
            self.assertEqual(len(outcome.complaints()), 1, message)
        self.check_nothing_left(message)
        if self.path("out.h5").exists():
            self.check_results(message)
            self.sheaf("verify", "out.h5", ranks=0)
        self.outcome = outcome
        return came

    def disturb_each(self, call, what, where, **how):
        """The n-th call, for n = 1, 1 + STRIDE, ..., until the run has no such call. @return how many faults came"""
        count = 0
        for number in itertools.count(1, STRIDE):
            fault = f"{call}:{number}:{what}:{where}"
            with self.subTest(fault=fault):
                came = self.disturb(fault, **how)
                self.go_on(operand=how.get("operand", "in.h5:/a"))
            if not came:
                break
            count += 1
        print(f"{call} {what} {where}: {count} faults", flush=True)
        self.assertGreater(count, 0, f"{call} {where}: never called")
        return count


class Files(FaultTest):
    def test_output(self):
        for call, what in (("pwrite", "EIO"), ("pwrite", "ENOSPC"), ("pread", "EIO"), ("open", "EIO"), ("fsync", "EIO"),
                           ("fdatasync", "EIO"), ("fallocate", "ENOSPC"), ("rename", "EIO"), ("link", "EIO"), ("close", "EIO")):
            self.disturb_each(call, what, "out.h5")

    def test_harmless(self):
        """What every program has to go on with."""
        for call in ("pwrite", "pread"):
            for what in ("EINTR", "short"):
                self.disturb_each(call, what, ".h5", harmless=True)
        self.disturb_each("fallocate", "EINTR", "out.h5", harmless=True)

    def test_input(self):
        for operand in ("in.h5:/a", "packed.h5:/a"):
            for call in ("open", "pread"):
                self.disturb_each(call, "EIO", operand.split(":")[0], operand=operand)


class Memory(FaultTest):
    def test_own_allocations(self):
        self.disturb_each("malloc", "ENOMEM", "own")
        self.disturb_each("mmap", "ENOMEM", "own")


class Limits(FaultTest):
    """Limits of the shell's."""

    def limited(self, limit, *words, code=None, ranks=0):
        """Run under `ulimit LIMIT`, and demand one line that says why it ended."""
        self.wrapper = ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash"]
        outcome = self.sheaf(*words, code=code, limit=LIMIT_SECONDS, ranks=ranks)
        self.wrapper = ()
        if outcome.code == -signal.SIGSEGV:
            # Without memory the HDF5 library, Open MPI and OpenBLAS crash: not our allocations, which are failed one by one above.
            self.assertRegex(outcome.err, r"\[ 1\] .*/lib(hdf5|open|mpi|pmix|hwloc|event|c)", f"{limit}: {outcome}")
        elif outcome.code != 0:
            self.assertIn(outcome.code, CODES, f"{limit}: {outcome}")
            self.assertEqual(len(outcome.complaints()), 1, f"{limit}: {outcome}")
            self.assertEqual(len(outcome.err.splitlines()), 1, f"{limit}: {outcome}")
        self.check_nothing_left(f"{limit}: {outcome}")
        return outcome

    def test_file_size(self):
        """In the building of the file, in its reserving, and of one that is gone on with (RLIMIT_FSIZE, 1024 bytes each)."""
        self.sheaf(*self.words("--overwrite"), ranks=0)
        whole = self.path("out.h5").stat().st_size // 1024
        self.path("out.h5").unlink()
        for kilobytes in (1, 100, whole // 2, whole - 1):
            with self.subTest(kilobytes=kilobytes):
                outcome = self.limited(f"-f {kilobytes}", *self.words(), code=NO_OUTPUT)
                self.assertIn("out.h5", outcome.complaints()[0])
                self.assertIn("File too large", outcome.complaints()[0])
        self.limited(f"-f {whole + 1}", *self.words(), code=0)
        with open(self.path("out.h5"), "r+b") as file, h5py.File(self.path("out.h5"), "r") as results:
            file.seek(results["sheaf/chunks"].id.get_offset())
            file.write(bytes(128 * 2))
        outcome = self.limited("-f 100", "resume", "out.h5", code=IO_ERROR)
        self.assertIn("File too large", outcome.complaints()[0])
        self.go_on()

    def test_address_space(self):
        """Whatever the memory suffices for (RLIMIT_AS, kB): Open MPI and OpenBLAS themselves need 90 MB."""
        ended = []
        for megabytes in range(100, 400, 10 * STRIDE):
            with self.subTest(megabytes=megabytes):
                outcome = self.limited(f"-v {megabytes * 1024}", *self.words())
                ended.append(outcome.code)
                self.go_on()
        self.assertIn(0, ended)

    def test_open_files(self):
        for descriptors in range(12, 40, STRIDE):
            with self.subTest(descriptors=descriptors):
                self.limited(f"-n {descriptors}", *self.words())
                self.go_on()


if __name__ == "__main__":
    unittest.main()
