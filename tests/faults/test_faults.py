"""What the system refuses in the middle of a run: each call in turn fails, is cut short, or is the last one before a kill or a power
loss. The run ends soon, with one clear error, and leaves nothing behind; nothing wrong is taken for right; and the run is gone on
with to the results of an undisturbed one.

SHEAF is the program, KERNELS the plugin of tests/faults, SHIM what is loaded before it (shim.c); STRIDE: of so many calls
one fails (1: the long test).
"""
import ctypes
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

import h5py
import numpy as np

from sheaf_test import (CHUNK_DONE, CHUNK_STARTED, INTERRUPTED, IO_ERROR, NO_INPUT, NO_OUTPUT, NO_RESOURCES, RUN_FAILED, SheafTest,
                        valid_chunks)

KERNELS, SHIM = os.environ["KERNELS"], os.environ["SHIM"]
STRIDE = int(os.environ.get("STRIDE", "7"))
TASKS, LENGTH, PER_CHUNK = 48, 1024, 4
LIMIT_SECONDS = 60

# What a system that refuses makes of a run: no output, no room, no input, a fault while it runs.
CODES = (NO_INPUT, NO_RESOURCES, NO_OUTPUT, IO_ERROR)
# What a rank says that can only end all others by force. (Open MPI's own banner does not always come.)
STOPPED = "the run is stopped"


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

    def words(self, *more, operand="in.h5:/a", ranks=0):
        return ["run", "slow", operand, "-k", KERNELS, "-o", "out.h5", "--layout", f"{max(ranks, 1)}x1:1", "--progress", "none", *more]

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
        left = {path.name for path in self.work.iterdir()} - {"in.h5", "packed.h5", "out.h5", "note", "journal", "small"}
        if died:
            left = {name for name in left if not name.startswith(("out.h5.lock", "out.h5.partial-"))}
        self.assertEqual(left, set(), message)
        self.assertEqual([str(path) for path in self.segments.rglob("*")], [], message)
        self.assertEqual(self.processes(), {}, message)

    def go_on(self, after="", ranks=0, operand="in.h5:/a"):
        """Without faults, to the end; whatever happened, the line is the same. The file is away then."""
        self.sheaf(*self.words("--resume", operand=operand, ranks=ranks), ranks=ranks)
        self.assertSameBits(self.read("out.h5"), self.expected)
        self.sheaf("verify", "out.h5", ranks=0)
        self.check_nothing_left(f"gone on with after {after}")
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
        # A lock that cannot be read when it is to be given up may be another's: it stays.
        self.check_nothing_left(message, died=STOPPED in outcome.err or fault.startswith("open:"))
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
            self.go_on(str(self.outcome), operand=how.get("operand", "in.h5:/a"))
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

    def test_named_lock(self):
        """Where no file can be without a name the lock is written under one of its own."""
        self.environment["SHEAF_FAULT_NAMED"] = "1"
        for fault in ("open:1:EIO:.new", "pwrite:1:ENOSPC:.new", "fsync:1:EIO:.new", "close:1:EIO:.new", "link:1:EIO:out.h5.lock"):
            self.assertTrue(self.disturb(fault), fault)
            self.assertEqual(self.outcome.code, NO_OUTPUT, str(self.outcome))
            self.assertFalse(self.path("out.h5").exists())
        self.assertTrue(self.disturb("link:1:EOPNOTSUPP:out.h5.lock", harmless=True))
        self.go_on("a lock that was renamed")

    def test_sync(self):
        """A sync that failed is never tried again: the next one would say that all is well, and what is lost would be marked."""
        syncs = self.path("syncs")
        for number in (1, 2, 9):
            outcome = self.sheaf(*self.words("--sync", "each"), ranks=0, code=IO_ERROR,
                                 environment=self.faulty(f"fdatasync:{number}:EIO:out.h5", SHEAF_FAULT_COUNT=str(syncs)))
            self.assertTrue(self.injected(), str(outcome))
            self.assertEqual(len(outcome.complaints()), 1, str(outcome))
            self.assertEqual(len(syncs.read_text()), number, "calls of fdatasync")
            syncs.unlink()
            with h5py.File(self.path("out.h5"), "r") as file:
                self.assertEqual(file["sheaf/runs"][0]["state"], RUN_FAILED)
                # What the mark speaks of was synced before.
                self.assertLess(max(mark["sequence"] for mark in file["sheaf/marks"]), TASKS // PER_CHUNK)
            self.check_results(str(outcome))
            self.check_nothing_left(str(outcome))
            self.go_on()

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
        """Run under `ulimit LIMIT`; nothing may be left."""
        self.wrapper = ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash"]
        outcome = self.sheaf(*words, code=code, limit=LIMIT_SECONDS, ranks=ranks)
        self.wrapper = ()
        self.check_nothing_left(f"{limit}: {outcome}", died=outcome.code not in (0, *CODES))
        return outcome

    def check_told(self, outcome):
        """One line says why it ended."""
        if outcome.code != 0:
            self.assertIn(outcome.code, CODES, str(outcome))
            self.assertEqual(len(outcome.complaints()), 1, str(outcome))
            self.assertEqual(len(outcome.err.splitlines()), 1, str(outcome))

    def test_file_size(self):
        """In the building of the file, in its reserving, and of one that is gone on with (RLIMIT_FSIZE, 1024 bytes each)."""
        self.sheaf(*self.words("--overwrite"), ranks=0)
        whole = self.path("out.h5").stat().st_size // 1024
        self.path("out.h5").unlink()
        for kilobytes in (1, 100, whole // 2, whole - 1):
            with self.subTest(kilobytes=kilobytes):
                outcome = self.limited(f"-f {kilobytes}", *self.words(), code=NO_OUTPUT)
                self.check_told(outcome)
                self.assertIn("out.h5", outcome.complaints()[0])
                self.assertIn("File too large", outcome.complaints()[0])
        self.limited(f"-f {whole + 1}", *self.words(), code=0)
        with open(self.path("out.h5"), "r+b") as file, h5py.File(self.path("out.h5"), "r") as results:
            file.seek(results["sheaf/chunks"].id.get_offset())
            file.write(bytes(128 * 2))
        outcome = self.limited("-f 100", "resume", "out.h5", code=IO_ERROR)
        self.check_told(outcome)
        self.assertIn("File too large", outcome.complaints()[0])
        self.go_on()

    def test_address_space(self):
        """
        Whatever memory there is (RLIMIT_AS). Without enough of it the libraries under Sheaf say other things, or crash; what counts
        is that it ends, and can be gone on with. OpenBLAS has one thread: the others would ask for their buffers again and again.
        """
        self.environment["OPENBLAS_NUM_THREADS"] = "1"
        ended = []
        for megabytes in range(40, 180, 5 * STRIDE):
            with self.subTest(megabytes=megabytes):
                outcome = self.limited(f"-v {megabytes * 1024}", *self.words())
                ended.append(outcome.code)
                self.go_on()
        self.assertIn(0, ended)
        self.assertGreater(len(set(ended)), 1, "there was enough each time")

    def test_blas_buffers(self):
        """OpenBLAS asks for ever for what is refused: so it is not called. Limits are those that it hung at."""
        words = ["run", "matmul", "random:20x20", "random:20x20", "--count", 10, "-o", "out.h5", "--overwrite", "--progress", "none"]
        for megabytes, threads, layout in ((300, "1", "1x2:1"), (450, "1", "1x2:2"), (300, "4", "1x1:1"), (400, "8", "1x1:1")):
            with self.subTest(megabytes=megabytes, threads=threads, layout=layout):
                self.environment["OPENBLAS_NUM_THREADS"] = threads
                outcome = self.limited(f"-v {megabytes * 1024}", *words, "--layout", layout, code=NO_RESOURCES)
                self.check_told(outcome)
                self.assertIn("raise ulimit -v", outcome.complaints()[0])
        self.environment["OPENBLAS_NUM_THREADS"] = "1"
        # A dry run measures how fast BLAS is, a sweep how fast the bare kernel is.
        self.check_told(self.limited(f"-v {200 << 10}", *words, "--dry-run", code=NO_RESOURCES))
        outcome = self.limited(f"-v {300 << 10}", "sweep", *words[1:6], "-o", "out.h5", "--seconds", "2", code=NO_RESOURCES)
        self.assertIn("raise ulimit -v", outcome.complaints()[0])
        self.path("out.h5").unlink(missing_ok=True)
        self.limited(f"-v {1 << 20}", *words, "--layout", "1x2:1", code=0)
        # Who only looks at a file needs none.
        self.environment["SHEAF_RESTART"] = "1"
        del self.environment["OPENBLAS_NUM_THREADS"]
        for command in ("status", "info", "verify"):
            self.limited(f"-v {150 << 10}", command, "out.h5", code=0)

    def test_open_files(self):
        for descriptors in range(12, 40, STRIDE):
            with self.subTest(descriptors=descriptors):
                self.check_told(self.limited(f"-n {descriptors}", *self.words()))
                self.go_on()


class Kills(FaultTest):
    """Killed in its n-th write, and its power gone with what was not synced."""

    # Its processes count for themselves; who is killed is whoever comes to that number first.
    def kill_at(self, call, number, sync, ranks, journal):
        """Start, or go on, until a process kills itself. @return whether one did"""
        more = {"SHEAF_FAULT_JOURNAL": str(self.path("journal")), "SHEAF_FAULT_FILE": "out.h5"} if journal else {}
        outcome = self.sheaf(*self.words("--resume", "--sync", sync, ranks=ranks), code=None, limit=LIMIT_SECONDS, ranks=ranks,
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

    def test_killed_in_each_write(self):
        """Killed once, then gone on with by another number of ranks."""
        for ranks in (0, 2):
            for number in itertools.count(1, STRIDE):
                if not self.kill_at("pwrite", number, "group", ranks, journal=False):
                    break
                message = f"kill in write {number} of {ranks} ranks"
                self.check_after(message)
                if self.path("out.h5").exists():
                    self.check_results(message)
                self.go_on(message, ranks=number % 4 + 1)
            print(f"{ranks} ranks: {number - 1} writes, one in {STRIDE} of them a kill", flush=True)
            self.assertGreater(number, 20)
            self.go_on("no kill")

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


class Ranks(FaultTest):
    """One rank of several has the fault: all of them end, and one tells."""

    def disturb_rank(self, fault, rank, environment=None, operand="in.h5:/a"):
        outcome = self.sheaf("run", "slow", operand, "-k", KERNELS, "-o", "out.h5", "--layout",
                             "1x1:1" if environment else "3x1:1", "--progress", "none", code=None, limit=LIMIT_SECONDS, ranks=3,
                             environment=self.faulty(fault, SHEAF_FAULT_RANK=str(rank), **(environment or {})))
        came = self.injected()
        message = f"{fault} in rank {rank}: {outcome}"
        # Where there are fewer cores than ranks there is a warning, too.
        told = [line for line in outcome.complaints() if "wants 3 cores" not in line]
        if came and outcome.code != 0:
            self.assertIn(outcome.code, CODES, message)
            self.assertEqual(len(told), 1, message)
        else:
            self.assertEqual((outcome.code, told), (0, []), message)
        self.check_nothing_left(message, died=STOPPED in outcome.err)
        if self.path("out.h5").exists():
            self.check_results(message)
        self.go_on(message)
        return came and outcome.code != 0

    def check_ranks(self, some, environment=None):
        failed = 0
        for rank in range(3) if STRIDE == 1 else some:
            for call, last, where in (("pwrite", 20, "out.h5"), ("pread", 20, "in.h5"), ("open", 4, "out.h5"), ("malloc", 40, "own")):
                for number in range(1 + rank, last, max(1, STRIDE * last // 40)):
                    what = "ENOMEM" if call == "malloc" else "EIO"
                    failed += self.disturb_rank(f"{call}:{number}:{what}:{where}", rank, environment)
        print(f"{failed} runs of 3 ranks failed", flush=True)
        self.assertGreater(failed, 0)

    def test_one_node(self):
        self.check_ranks((0, 2))

    def test_three_nodes(self):
        self.check_ranks((1,), {"SHEAF_NODE_RANKS": "1"})


class Dropped(FaultTest):
    """A run that does not wait for what it computes ends as if nothing was computed any more, whatever its threads still do."""

    def setUp(self):
        super().setUp()
        with h5py.File(self.path("in.h5"), "a") as file:
            file["b"] = np.ones(LENGTH)

    def count_chunks(self, state):
        with h5py.File(self.path("out.h5"), "r") as file:
            return sum(chunk["state"] == state for chunk in valid_chunks(file).values())

    def drop(self, ranks, **environment):
        layout = f"{1 if environment else max(ranks, 1)}x1:1"
        words = ["run", "lingering", "in.h5:/a", "in.h5:/b", "-k", KERNELS, "-o", "out.h5", "--layout", layout, "--progress",
                 "none"]
        process = self.start(*words, ranks=ranks, environment={"SHEAF_TEST_UNTIL": "out.h5.lock", **environment})
        self.wait_for_file(process)
        # what other nodes have started is not in the file: give them time
        self.wait_until(process, lambda: self.count_chunks(CHUNK_STARTED) >= (1 if environment else max(ranks, 1)))
        for _ in range(2):
            time.sleep(0.5)
            process.send_signal(signal.SIGUSR1)
        outcome = self.finish(process)
        self.assertEqual(outcome.code, INTERRUPTED, str(outcome))
        self.assertIn(f"0 of {TASKS} tasks done", outcome.complaints()[-1])
        # Their tasks were over when the lock was gone: nobody may write then, another run may have begun.
        self.assertEqual(self.count_chunks(CHUNK_DONE), 0, str(outcome))
        self.check_nothing_left(str(outcome))
        self.go_on_to_the_end(ranks)

    def go_on_to_the_end(self, ranks):
        """What was dropped has killed nothing: it is not suspected."""
        outcome = self.sheaf("resume", "out.h5", ranks=ranks)
        self.assertNotIn("alone", outcome.out)
        self.check_results(str(outcome))

    def test_time_is_up(self):
        """Nobody was asked to stop before."""
        for ranks in (0, 2):
            with self.subTest(ranks=ranks):
                self.path("out.h5").unlink(missing_ok=True)
                outcome = self.sheaf("run", "lingering", "in.h5:/a", "in.h5:/b", "-k", KERNELS, "-o", "out.h5", "--layout",
                                     f"{max(ranks, 1)}x1:1", "--time-limit", 3, code=INTERRUPTED, ranks=ranks,
                                     environment={"SHEAF_TEST_UNTIL": "out.h5.lock"})
                self.assertEqual(self.count_chunks(CHUNK_DONE), 0, str(outcome))
                self.go_on_to_the_end(ranks)

    def test_threads_left(self):
        for ranks, environment in ((0, {}), (2, {}), (2, {"SHEAF_NODE_RANKS": "1"})):
            with self.subTest(ranks=ranks, **environment):
                self.path("out.h5").unlink(missing_ok=True)
                self.drop(ranks, **environment)


class Inputs(FaultTest):
    """A file that goes away, or loses its end, while it is read."""

    def run_slowly(self, operand):
        process = self.start(*self.words("--resume", operand=operand), ranks=0, environment={"SHEAF_TEST_PAUSE": "40"})
        self.wait_for_file(process)
        return process

    def test_truncated(self):
        """What is left of a file is not mistaken for all of it; mapped or read, by offset or through the library."""
        for name in ("in.h5", "packed.h5"):
            with self.subTest(name):
                whole = self.path(name).read_bytes()
                process = self.run_slowly(f"{name}:/a")
                os.truncate(self.path(name), len(whole) // 3)
                outcome = self.finish(process, LIMIT_SECONDS)
                self.path(name).write_bytes(whole)
                if outcome.code != 0:  # packed bytes may all have been read ahead
                    self.assertEqual(outcome.code, IO_ERROR, str(outcome))
                    self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                    self.assertIn(name, outcome.complaints()[0])
                if name == "in.h5":
                    self.assertEqual(outcome.code, IO_ERROR, "what was cut off was never missed")
                self.check_nothing_left(str(outcome))
                self.check_results(name)
                self.go_on(operand=f"{name}:/a")

    def test_removed(self):
        """Who has a file open keeps it: the run ends well, or says what it misses."""
        for name in ("in.h5", "packed.h5"):
            with self.subTest(name):
                whole = self.path(name).read_bytes()
                process = self.run_slowly(f"{name}:/a")
                self.path(name).unlink()
                outcome = self.finish(process, LIMIT_SECONDS)
                self.path(name).write_bytes(whole)
                if outcome.code != 0:
                    self.assertIn(outcome.code, (NO_INPUT, IO_ERROR), str(outcome))
                    self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                self.check_results(name)
                self.go_on(operand=f"{name}:/a")


class Mounted(FaultTest):
    """File systems that are small, full or read-only; in a mount namespace of this test's."""

    def setUp(self):
        super().setUp()
        new_namespace = 0x00020000  # CLONE_NEWNS
        if ctypes.CDLL(None, use_errno=True).unshare(new_namespace) != 0:
            self.skipTest(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self.small = self.path("small")
        self.small.mkdir()

    def mount(self, place, size, *more):
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *more]), "none", str(place)], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(place)], check=False)

    def small_words(self, *more):
        return ["run", "slow", "in.h5:/a", "-k", KERNELS, "-o", "small/out.h5", "--layout", "1x1:1", "--progress", "none", *more]

    def told(self, code, *words, environment=None):
        outcome = self.sheaf(*words, ranks=0, code=code, limit=LIMIT_SECONDS, environment=environment)
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        return outcome.complaints()[0]

    def test_full_in_the_middle(self):
        """Where nothing can be reserved others may take what is left."""
        self.mount(self.small, "2M")
        process = self.start(*self.small_words(), ranks=0,
                             environment=self.faulty("fallocate:1+:EOPNOTSUPP:out.h5", SHEAF_TEST_PAUSE="20"))
        self.wait_for_file(process, self.small / "out.h5")
        try:
            (self.small / "other").write_bytes(bytes(1 << 22))
        except OSError:
            pass  # it is full now
        outcome = self.finish(process, LIMIT_SECONDS)
        self.assertEqual(outcome.code, IO_ERROR, str(outcome))
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        self.assertIn("No space left on device", outcome.complaints()[0])
        self.sheaf("verify", "small/out.h5", ranks=0)
        (self.small / "other").unlink()
        self.sheaf(*self.small_words("--resume"), ranks=0)
        self.assertSameBits(self.read("small/out.h5"), self.expected)
        self.assertEqual(os.listdir(self.small), ["out.h5"])

    def test_too_small(self):
        """By a page, by half, by nearly all: nothing is begun."""
        self.sheaf(*self.words(), ranks=0)
        needed = self.path("out.h5").stat().st_size // 4096
        for pages in (1, needed // 2, needed - 1):
            with self.subTest(pages=pages):
                self.mount(self.small, 4096 * pages)
                self.assertIn("small/out.h5: no room", self.told(NO_OUTPUT, *self.small_words()))
                self.assertEqual(os.listdir(self.small), [])

    def test_read_only(self):
        """Neither begun nor gone on with; what is there can be looked at."""
        self.mount(self.small, "4M")
        self.sheaf(*self.small_words(), ranks=0)
        subprocess.run(["mount", "-o", "remount,ro", str(self.small)], check=True)
        self.assertIn("small/new.h5", self.told(NO_OUTPUT, *["small/new.h5" if word == "small/out.h5" else word
                                                             for word in self.small_words()]))
        self.assertIn("Read-only file system", self.told(NO_OUTPUT, *self.small_words("--resume", "--retry-failed")))
        for command in ("info", "status", "verify"):
            self.sheaf(command, "small/out.h5", ranks=0)
        self.assertEqual(os.listdir(self.small), ["out.h5"])

    def test_shared_memory_full(self):
        """Ranks that share nothing but what the system refuses (/dev/shm of some sizes): an end, and a reason."""
        ended = []
        for kilobytes in (64, 4096, 20000, 40000):
            with self.subTest(kilobytes=kilobytes):
                self.mount("/dev/shm", f"{kilobytes}k")
                self.environment.update(OMPI_MCA_btl_vader_backing_directory="/dev/shm",
                                        OMPI_MCA_osc_sm_backing_directory="/dev/shm")
                outcome = self.sheaf("run", "slow", "in.h5:/a", "-k", KERNELS, "-o", "out.h5", "--layout", "3x1:1", "--overwrite",
                                     "--progress", "none", code=None, limit=LIMIT_SECONDS, ranks=3)
                ended.append(outcome.code)
                if outcome.code != 0:
                    # Open MPI names the directory, but now and then its launcher garbles what ranks that fail together tell it.
                    self.assertRegex(outcome.err, "shm|An error occurred in MPI_Init", str(outcome))
                self.assertEqual(self.processes(), {}, str(outcome))
                self.assertEqual(os.listdir("/dev/shm"), [], str(outcome))
                self.go_on()
        self.assertEqual(ended[-1], 0)


class Valgrind(FaultTest):
    """No byte is used that nobody has set, none outside what was allocated (memcheck; it knows no AVX-512)."""

    def setUp(self):
        super().setUp()
        if not shutil.which("valgrind"):
            self.skipTest("there is no valgrind (jobscripts/setup.sh --tests installs it)")
        known = "/usr/share/openmpi/openmpi-valgrind.supp"
        self.environment.update(OPENBLAS_CORETYPE="Haswell", OPENBLAS_NUM_THREADS="1")
        self.rank_wrapper = ["valgrind", "--error-exitcode=99",
                             f"--suppressions={pathlib.Path(__file__).with_name('valgrind.supp')}"]
        self.rank_wrapper += [f"--suppressions={known}"] if os.path.exists(known) else []

    def clean(self, *words, ranks=0):
        outcome = self.sheaf(*words, ranks=ranks, limit=600)
        errors = re.findall("ERROR SUMMARY: ([0-9]+) errors", outcome.err)
        self.assertGreaterEqual(len(errors), max(ranks, 1), str(outcome))
        self.assertEqual(set(errors), {"0"}, str(outcome))

    def test_runs(self):
        for operand in ("in.h5:/a", "packed.h5:/a"):
            self.clean("run", "add", operand, operand, "-o", "sum.h5", "--overwrite", "--layout", "1x2:1")
        for words in (["matmul", "random:30x40", "random:40x20:shared"], ["inv", "random:20x20"], ["svd", "random:12x9"],
                      ["eigh", "random:10x10"]):
            self.clean("run", *words, "--count", 20, "-o", "out.h5", "--overwrite", "--layout", "1x2:1")

    def forget_chunks(self, count):
        """The first records are gone, as of a run that was killed."""
        with h5py.File(self.path("out.h5"), "r") as file:
            offset = file["sheaf/chunks"].id.get_offset()
        with open(self.path("out.h5"), "r+b") as file:
            file.seek(offset)
            file.write(bytes(128 * count))

    def run_and_resume(self, layout):
        """Two ranks: a shared operand, results that are gone on with, and the shutdown of both."""
        self.write("shared.h5", b=np.random.default_rng(2).random((1, LENGTH)))
        self.clean("run", "add", "in.h5:/a", "shared.h5:/b", "-o", "sum.h5", "--layout", layout, ranks=2)
        words = ["run", "slow", "in.h5:/a", "-k", KERNELS, "-o", "out.h5", "--layout", layout]
        self.clean(*words, ranks=2)
        self.forget_chunks(5)
        self.clean(*words, "--resume", ranks=2)
        self.assertSameBits(self.read("out.h5"), self.expected)

    def test_ranks_of_one_node(self):
        self.run_and_resume("2x1:1")

    def test_ranks_of_two_nodes(self):
        """Each a node of its own: spans and commits travel in messages."""
        self.environment["SHEAF_NODE_RANKS"] = "1"
        self.run_and_resume("1x1:1")

    def test_resumed(self):
        self.clean(*self.words())
        self.forget_chunks(3)
        for command in ("verify", "status", "info", "resume", "verify"):
            self.clean(command, "out.h5")
        self.assertSameBits(self.read("out.h5"), self.expected)


if __name__ == "__main__":
    unittest.main()
