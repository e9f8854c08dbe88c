"""What the system refuses in the middle of a run: each call in turn fails, is cut short, or is the last one before a kill or a power
loss. The run ends soon, with one clear error, and leaves nothing behind; nothing wrong is taken for right; and the run is gone on
with to the results of an undisturbed one.

SHEAF is the program, KERNELS the plugin of tests/faults, SHIM what is loaded before it (shim.c); STRIDE: of so many calls
one fails (1: the long test).
"""
import itertools
import os
import random
import signal
import struct
import time
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

    def check_nothing_left(self, message, died=False):
        """Who was killed leaves its lock, and perhaps a file in the making: the next run finds that it is dead."""
        left = {path.name for path in self.work.iterdir()} - {"in.h5", "packed.h5", "out.h5", "note", "journal"}
        if died:
            left = {name for name in left if not name.startswith(("out.h5.lock", "out.h5.partial-"))}
        self.assertEqual(left, set(), message)
        self.assertEqual([str(path) for path in self.segments.rglob("*")], [], message)
        self.assertEqual(self.processes(), {}, message)

    def go_on(self, ranks=0, operand="in.h5:/a"):
        """Without faults, to the end; whatever happened, the line is the same. The file is away then."""
        self.sheaf(*self.words("--resume", operand=operand), ranks=ranks)
        self.assertSameBits(self.read("out.h5"), self.expected)
        self.sheaf("verify", "out.h5", ranks=0)
        self.check_nothing_left("gone on with")
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
        self.check_nothing_left(message, died="MPI_ABORT" in outcome.err)
        if self.path("out.h5").exists():
            self.check_results(message)
            self.sheaf("verify", "out.h5", ranks=0)
        self.outcome = outcome
        return came

    def disturb_each(self, call, what, where, **how):
        """The n-th call, for n = 1, 1 + STRIDE, ..., until the run has no such call. @return how many faults came"""
        count = 0
        for number in itertools.count(1, STRIDE):
            came = self.disturb(f"{call}:{number}:{what}:{where}", **how)
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


class Kills(FaultTest):
    """Killed in its n-th write, and its power gone with what was not synced."""

    # Its processes count for themselves; who is killed is whoever comes to that number first.
    def kill_at(self, call, number, sync, ranks, journal):
        """Start, or go on, until a process kills itself. @return whether one did"""
        more = {"SHEAF_FAULT_JOURNAL": str(self.path("journal")), "SHEAF_FAULT_FILE": "out.h5"} if journal else {}
        layout = f"{max(ranks, 1)}x1:1"
        outcome = self.sheaf("run", "slow", "in.h5:/a", "-k", KERNELS, "-o", "out.h5", "--resume", "--sync", sync, "--layout", layout,
                             "--progress", "none", code=None, limit=LIMIT_SECONDS, ranks=ranks,
                             environment=self.faulty(f"{call}:{number}:kill:out.h5", **more))
        self.await_silence()
        came = self.injected()
        self.assertEqual(came, outcome.code != 0, str(outcome))
        self.check_nothing_left_but_segments(str(outcome))
        return came

    def await_silence(self):
        end = time.monotonic() + 20
        while self.processes():
            self.assertLess(time.monotonic(), end, "ranks live on")
            time.sleep(0.02)

    def check_nothing_left_but_segments(self, message):
        """Open MPI's, whose ranks were killed, are Open MPI's."""
        for path in self.segments.iterdir():
            path.unlink()
        self.check_nothing_left(message, died=True)

    def read_journal(self, inode):
        """What was written to the file and is not known to be on the disk: offset, what was there, what came there."""
        data, at, entries = self.path("journal").read_bytes(), 0, []
        while at < len(data):
            begin, (number, offset, count) = at, struct.unpack_from("<Qqq", data, at)
            at += 24
            if count < 0:
                entries = [entry for entry in entries if entry[0] >= offset] if number == inode else entries
                continue
            old, new = data[at:at + count], data[at + count:at + 2 * count]
            at += 2 * count
            if number == inode:
                entries.append((begin, offset, old, new))
        return entries

    def lose_power(self, chance):
        """Of what was not synced some sectors reached the disk, in any order. @return how many writes were on their way"""
        if not self.path("out.h5").exists():
            return 0
        entries = self.read_journal(self.path("out.h5").stat().st_ino)
        kept = chance.choice((0, 0.3, 0.7))
        with open(self.path("out.h5"), "r+b") as file:
            for _, offset, old, _ in reversed(entries):
                file.seek(offset)
                file.write(old)
            for _, offset, _, new in entries:
                for at in range(0, len(new), 512):
                    if chance.random() < kept:
                        file.seek(offset + at)
                        file.write(new[at:at + 512])
        return len(entries)

    def check_after(self, message):
        if not self.path("out.h5").exists():
            return
        with h5py.File(self.path("out.h5"), "r") as file:
            file.visititems(lambda _, item: item[...] if isinstance(item, h5py.Dataset) else None)

    def die_again_and_again(self, step, sync, ranks=0, journal=False):
        """Killed `step` writes after each start, until the run gets to its end. @return kills, writes that were lost"""
        kills = lost = 0
        chance = random.Random(step)
        while self.kill_at("pwrite", step, sync, ranks, journal):
            kills += 1
            if journal:
                lost += self.lose_power(chance)
            self.check_after(f"kill {kills}")
            # Without power what is behind the mark may be lost again and again: each start gets a little further.
            step += 3 if journal else 0
            self.assertLess(kills, 400)
        self.assertSameBits(self.read("out.h5"), self.expected)
        # A row of /sheaf/runs may be half a row, where the power went: it is told, and no result is the worse for it.
        outcome = self.sheaf("verify", "out.h5", ranks=0, code=None)
        self.assertIn(f"{TASKS} of {TASKS} committed tasks right", outcome.out)
        self.assertIn(outcome.code, (0, 1) if lost else (0,), str(outcome))
        self.path("out.h5").unlink()
        self.path("journal").unlink(missing_ok=True)
        return kills, lost

    def test_killed_in_a_write(self):
        total = 0
        for step in range(30, 100, 3 * STRIDE):
            total += self.die_again_and_again(step, "group")[0]
        total += self.die_again_and_again(40, "group", ranks=2)[0]
        print(f"{total} kills", flush=True)
        self.assertGreater(total, 3)

    def test_power_lost(self):
        """Marked results are not read again: so a mark that came before its sync would be found out here."""
        kills = lost = 0
        for number, sync in enumerate(("each", "group", "end")):
            for step in range(40 + number, 110, 4 * STRIDE):
                more = self.die_again_and_again(step, sync, journal=True)
                kills, lost = kills + more[0], lost + more[1]
        more = self.die_again_and_again(50, "each", ranks=2, journal=True)
        print(f"{kills + more[0]} times without power, {lost + more[1]} writes not synced then", flush=True)
        self.assertGreater(lost, 0)


if __name__ == "__main__":
    unittest.main()
