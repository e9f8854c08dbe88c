"""Tasks that kill their process or never end are found and quarantined; all others are computed, and are those of an undisturbed
run. Healthy tasks are never quarantined, however often their run is killed.

SHEAF is the program, KERNELS the plugin of tests/faults, HDF5_PLUGIN_PATH where the filter is; ROUNDS: how often healthy tasks are killed.
"""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy as np

from sheaf_test import BAD_DATA, CHUNK_DONE, CHUNK_STARTED, INTERRUPTED, NO_INPUT, SHEAF, SheafTest, valid_chunks, xxh3

KERNELS = os.environ["KERNELS"]
UNTIL_DONE = pathlib.Path(__file__).resolve().parents[2] / "jobscripts" / "until_done.sh"
ROUNDS = int(os.environ.get("ROUNDS", "4"))
TASKS, LENGTH, PER_CHUNK = 80, 64, 4
QUARANTINED = 9
READING = 256  # added to the info of a task that could not be read
FILTER = 303


class PoisonTest(SheafTest):
    launcher_may_leave_files = True

    def setUp(self):
        super().setUp()
        self.operand = ["in.h5:/a"]
        data = np.random.default_rng(1).random((TASKS, LENGTH))
        data[:, 0] = np.arange(TASKS)
        self.make_input(data)
        self.sheaf("run", "slow", *self.operand, "-k", KERNELS, "-o", "expected.h5", ranks=0)

    def make_input(self, data):
        self.write("in.h5", a=data)

    def words(self, *more):
        return ["run", "slow", *self.operand, "-k", KERNELS, "-o", "out.h5", "--resume", "--progress", "none", *more]

    def run_once(self, ranks, *more, **environment):
        layout = ["--layout", "1x1:1"] if environment.get("SHEAF_NODE_RANKS") else ["--layout", f"{max(ranks, 1)}x1:1"]
        process = self.start(*self.words(*layout, *more), ranks=ranks, environment=environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def status(self):
        """What `sheaf status --exit-code` answers, as the loop of a job script asks; 75 where there is no file yet."""
        if not self.path("out.h5").exists():
            return INTERRUPTED
        return subprocess.run([SHEAF, "status", "--exit-code", self.path("out.h5")], stdout=subprocess.DEVNULL,
                              env=self.environment).returncode

    def relaunch(self, ranks, most, *more, **environment):
        """Start it again until it is done. @return how often, and the last one's output"""
        for starts in range(1, most + 1):
            _, out, err = self.run_once(ranks, *more, **environment)
            code = self.status()
            if code != INTERRUPTED:
                return starts, code, out, err
        self.fail(f"not done after {most} starts\n{out}\n{err}")

    def loop(self, ranks=0, **environment):
        """The loop of a job script."""
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        return subprocess.Popen([UNTIL_DONE, "out.h5", *launcher, SHEAF, *self.words()], cwd=self.work, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**self.environment, "SHEAF": SHEAF, **environment})

    def assertOutcome(self, quarantined):
        """Those tasks are quarantined, each with its info; every other one is as in an undisturbed run."""
        with h5py.File(self.path("out.h5"), "r") as file, h5py.File(self.path("expected.h5"), "r") as expected:
            status, info, result = file["sheaf/status"][...], file["sheaf/info"][...], file["result"][...]
            wanted = expected["result"][...]
            self.assertEqual({int(t): int(info[t]) for t in np.flatnonzero(status == QUARANTINED)}, quarantined)
            healthy = np.ones(TASKS, bool)
            healthy[list(quarantined)] = False
            self.assertTrue((status[healthy] == 1).all() and (info[healthy] == 0).all())
            self.assertSameBits(result[healthy], wanted[healthy])
            self.assertTrue(np.isnan(result[~healthy]).all())
            chunks = valid_chunks(file)
            self.assertEqual(len(chunks), TASKS // PER_CHUNK)
            self.assertEqual({(int(chunk["state"]), int(chunk["fate"])) for chunk in chunks.values()}, {(CHUNK_DONE, 0)})
            self.assertEqual(sum(int(chunk["failed"]) for chunk in chunks.values()), len(quarantined))
        self.sheaf("verify", "out.h5", ranks=0)


class Crashes(PoisonTest):
    """The rank's last word says which chunk it was, then which task."""

    def test_crash(self):
        """A kernel that writes where no memory is, beside other ranks."""
        starts, code, out, err = self.relaunch(2, 6, SHEAF_TEST_CRASH="33")
        self.assertEqual((starts, code), (4, 1), out + err)
        self.assertIn("  task 33 is quarantined: it killed its process, attempt 2 of 2", out)
        self.assertIn("task 33  quarantined (signal 11", err)
        self.assertOutcome({33: signal.SIGSEGV})
        self.assertIn("1 quarantined", self.sheaf("status", "out.h5", ranks=0).out)
        # mended: nothing of it stays
        self.sheaf("resume", "out.h5", "--retry-failed", ranks=2)
        self.assertOutcome({})

    def test_several(self):
        """Several in one chunk of many, and one of another kind elsewhere."""
        poison = {"SHEAF_TEST_CRASH": "41,43", "SHEAF_TEST_ABORT": "70"}
        starts, code, out, err = self.relaunch(0, 12, "--attempts", 1, **poison)
        self.assertEqual(code, 1, out + err)
        self.assertOutcome({41: signal.SIGSEGV, 43: signal.SIGSEGV, 70: signal.SIGABRT})

    def test_other_nodes(self):
        """Each rank a node of its own: the last word comes from there, too."""
        starts, code, out, err = self.relaunch(3, 8, SHEAF_TEST_CRASH="5", SHEAF_NODE_RANKS="1")
        self.assertEqual(code, 1, out + err)
        self.assertOutcome({5: signal.SIGSEGV})

    def test_loop(self):
        """The loop of a job script starts it again until all is done."""
        process = self.loop(SHEAF_TEST_ABORT="0")
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err.count("started again\n")), (1, 3), out + err)
        self.assertOutcome({0: signal.SIGABRT})

    def test_before_the_file_has_its_name(self):
        """Whoever is killed by the first task before space is reserved has no file to note it in: the next one has it first."""
        slow = {"LD_PRELOAD": os.environ["SHIM"], "SHEAF_FAULT": "fallocate:1:wait:out.h5"}
        memory = tempfile.TemporaryDirectory(dir="/dev/shm")  # what lies on a disk is read by who reserves, so later
        self.addCleanup(memory.cleanup)
        self.operand = [str(shutil.move(self.path("in.h5"), memory.name)) + ":/a"]
        starts, code, out, err = self.relaunch(0, 6, SHEAF_TEST_CRASH="0", **slow)
        self.assertEqual((starts, code), (5, 1), out + err)
        self.assertOutcome({0: signal.SIGSEGV})

    def test_loop_without_fruit(self):
        """What never gets done is not started for ever."""
        process = self.loop(SHEAF_TEST_KILL="0", FRUITLESS="2")
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, out + err)
        self.assertIn("2 starts in a row brought no task nearer to its end: not started again", err)

    def test_loop_with_many_in_one_chunk(self):
        """Each of them has its attempts, however long none is done."""
        tasks = range(PER_CHUNK * 3, PER_CHUNK * 4)
        process = self.loop(SHEAF_TEST_CRASH=",".join(map(str, tasks)))
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertGreater(err.count("started again\n"), 5)
        self.assertOutcome(dict.fromkeys(tasks, signal.SIGSEGV))

    def test_loop_is_stopped(self):
        """A signal drains the run, and ends the loop."""
        log = self.path("log")
        process = self.loop(SHEAF_TEST_PAUSE="50", SHEAF_TEST_LOG=str(log))
        while process.poll() is None and not log.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, out + err)
        self.assertIn("stopped by SIGTERM", err)
        self.assertNotIn("started again\n", err)

    def test_loop_refused(self):
        """A command that is refused is not tried again."""
        self.path("in.h5").unlink()
        process = self.loop()
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, NO_INPUT, out + err)


class Silent(PoisonTest):
    """The computation itself says nothing."""

    def test_timeout(self):
        """It takes too long: the run ends, and says which task it was."""
        hang = {"SHEAF_TEST_HANG": "18"}
        code, out, err = self.run_once(2, "--task-timeout", 1, **hang)
        self.assertEqual(code, INTERRUPTED, out + err)
        self.assertIn("task 18 took longer than --task-timeout 1", err)
        starts, code, out, err = self.relaunch(2, 4, "--task-timeout", 1, **hang)
        self.assertEqual((starts, code), (2, 1), out + err)
        self.assertIn("  task 18 is quarantined: it ran out of time, attempt 2 of 2", out)
        self.assertOutcome({18: 0})

    def test_killed_by_itself(self):
        """SIGKILL leaves no word. Without a sign that memory ran out nothing is charged with it: the others get done."""
        for _ in range(4):
            self.run_once(2, SHEAF_TEST_KILL="50")
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual((file["sheaf/status"][...] == 1).sum(), TASKS - PER_CHUNK)
        self.run_once(2)
        self.assertOutcome({})

    def forget_count(self):
        """Let records say that their host did not count what it killed for want of memory: then dying alone has to do."""
        with h5py.File(self.path("out.h5"), "r") as file:
            table = file["sheaf/chunks"]
            offset, rows = table.id.get_offset(), table[...]
        with open(self.path("out.h5"), "r+b") as file:
            for chunk in np.flatnonzero((rows["state"] == CHUNK_STARTED) & (rows["oom_kills"] > 0)):
                file.seek(offset + 128 * int(chunk))
                record = bytearray(file.read(128))
                record[100:104] = bytes(4)
                record[120:] = xxh3(bytes(record[:120]), int(chunk)).to_bytes(8, "little")
                file.seek(offset + 128 * int(chunk))
                file.write(record)

    def test_out_of_memory(self):
        """It is killed without a word, among others, alone, then twice as the only task: that is what quarantines it."""
        seen = []
        for _ in range(4):
            _, out, _ = self.run_once(0, SHEAF_TEST_KILL="50")
            seen.append(out)
            self.forget_count()
        self.assertIn("computed alone, behind all others (1 chunk)", seen[1])
        self.assertIn("  task 50 killed its process, attempt 1 of 2", seen[3])
        code, out, err = self.run_once(0, SHEAF_TEST_KILL="50")
        self.assertEqual(code, 1, out + err)
        self.assertIn("  task 50 is quarantined: it killed its process, attempt 2 of 2", out)
        self.assertOutcome({50: signal.SIGKILL})

    def test_killed_from_outside(self):
        """Healthy tasks whose ranks are killed again and again, alone too, are never quarantined."""
        chance = random.Random(3)
        log = self.path("log")
        for kill in range(ROUNDS):
            log.unlink(missing_ok=True)
            process = self.start(*self.words("--attempts", 1), ranks=kill % 2 * 2,
                                 environment={"SHEAF_TEST_PAUSE": "30", "SHEAF_TEST_LOG": str(log)})
            tasks = chance.randrange(1, 9)  # that have been begun
            while process.poll() is None and not (log.exists() and log.stat().st_size >= 8 * tasks):
                time.sleep(0.01)
            for rank in self.rank_processes().values():
                os.kill(rank, signal.SIGKILL)
            process.communicate(timeout=60)
        self.relaunch(2, 2, "--attempts", 1)
        self.assertOutcome({})


class ReadsTest(PoisonTest):
    """Not the computation kills the process but what unpacks its input, on the thread that reads ahead."""

    def loop_until_done(self, ranks, quarantined, *more, **environment):
        """The loop comes to its end, with some failed. @return what it said"""
        self.operand += map(str, more)
        process = self.loop(ranks, **environment)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertOutcome(quarantined)
        return out, err


class Reads(ReadsTest):
    def make_input(self, data, tasks=1):
        """Each HDF5 chunk has a filter that fails when told to, by its first element: the number of its first task."""
        self.operand = ["in.h5:/a", "--allow-filters"]
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("a", data=data, chunks=(tasks, LENGTH), compression=FILTER)

    def test_crash(self):
        """Beside other ranks, and what they and it have read ahead."""
        starts, code, out, err = self.relaunch(2, 6, SHEAF_TEST_READ_CRASH="33")
        self.assertEqual((starts, code), (4, 1), out + err)
        self.assertIn("  task 33 is quarantined: it killed its process while its input was read, attempt 2 of 2", out)
        self.assertIn("task 33  quarantined (crashed while its input was read: signal 11", err)
        self.assertOutcome({33: READING + signal.SIGSEGV})
        self.sheaf("resume", "out.h5", "--retry-failed", ranks=2)
        self.assertOutcome({})

    def test_loop(self):
        out, err = self.loop_until_done(3, {50: READING + signal.SIGABRT}, SHEAF_TEST_READ_ABORT="50")
        self.assertEqual(err.count("started again\n"), 3, out + err)

    def test_with_kernel(self):
        """One task cannot be read, another one of its chunk cannot be computed."""
        self.loop_until_done(0, {33: READING + signal.SIGSEGV, 35: signal.SIGABRT}, SHEAF_TEST_READ_CRASH="33",
                             SHEAF_TEST_ABORT="35")

    def test_common_chunk(self):
        """Tasks that lie in one HDF5 chunk are not tried one by one."""
        with h5py.File(self.path("in.h5")) as file:
            data = file["a"][...]
        self.make_input(data, 2)
        out, err = self.loop_until_done(0, {t: READING + signal.SIGSEGV for t in (32, 33)}, SHEAF_TEST_READ_CRASH="32")
        self.assertEqual(err.count("started again\n"), 3, out + err)
        self.assertIn("    and so is 1 more", out)

    def test_other_nodes(self):
        """Each rank a node of its own: the last word comes from there, too."""
        starts, code, out, err = self.relaunch(3, 8, SHEAF_TEST_READ_CRASH="5", SHEAF_NODE_RANKS="1")
        self.assertEqual(code, 1, out + err)
        self.assertOutcome({5: READING + signal.SIGSEGV})

    def test_timeout(self):
        """The rank that reads, and the others, end nevertheless; the loop, too."""
        out, err = self.loop_until_done(3, {18: READING}, "--task-timeout", 1, SHEAF_TEST_READ_HANG="18")
        self.assertIn("reading the input of 4 tasks from 16 on took longer than --task-timeout 1", err)
        self.assertIn("reading the input of task 18 took longer than --task-timeout 1", err)
        self.assertEqual(err.count("started again\n"), 3, out + err)

    def test_stopped_while_it_hangs(self):
        """Without a limit it is a signal that ends it; nothing is laid on anybody."""
        process = self.start(*self.words("--grace", 1), ranks=0, environment={"SHEAF_TEST_READ_HANG": "18"})
        self.wait_for_file(process)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, INTERRUPTED, out + err)
        self.assertIn("SIGTERM", err)
        with h5py.File(self.path("out.h5")) as file:
            chunk = valid_chunks(file)[18 // PER_CHUNK]
        self.assertEqual((int(chunk["state"]), int(chunk["fate"])), (CHUNK_STARTED, 1))
        self.run_once(2)
        self.assertOutcome({})

    def test_killed(self):
        """SIGKILL leaves no word; what was being read then is known, and comes last."""
        kill = {"SHEAF_TEST_READ_KILL": "50"}
        self.run_once(0, **kill)
        for _ in range(2):
            _, out, _ = self.run_once(0, **kill)
            self.assertIn("computed alone, behind all others", out)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual((file["sheaf/status"][...] == 1).sum(), TASKS - PER_CHUNK)
        self.run_once(2)
        self.assertOutcome({})

    def test_nothing_beside(self):
        """What is computed alone is read alone, too: the next one after it was committed."""
        log = self.path("log")
        process = self.start(*self.words("--layout", "1x3:1"), ranks=0,
                             environment={"SHEAF_TEST_PAUSE": "100", "SHEAF_TEST_LOG": str(log)})
        while process.poll() is None and not (log.exists() and log.stat().st_size >= 8 * 3):
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=60)
        self.run_once(0)
        with h5py.File(self.path("out.h5"), "r") as file:
            alone = [chunk for chunk in valid_chunks(file).values() if chunk["care"] == 1]
        self.assertGreaterEqual(len(alone), 2)
        alone.sort(key=lambda chunk: chunk["read_start"])
        for one, other in zip(alone, alone[1:]):
            self.assertLessEqual(one["write_start"], other["read_start"])
        self.assertOutcome({})


class Members(ReadsTest):
    """The same of the files of a glob, one of which fails behind what is looked at before the run."""

    def make_input(self, data):
        self.operand = ["b*.h5:/data", "--allow-filters"]
        for task, row in enumerate(data):
            values = np.tile(row, 4 * 4096 // LENGTH)
            values[3 * 4096] = 1000 + task
            with h5py.File(self.path(f"b{task:02}.h5"), "w") as file:
                file.create_dataset("data", data=values, chunks=(4096,), compression=FILTER)

    def test_loop(self):
        out, err = self.loop_until_done(3, {33: READING + signal.SIGSEGV}, SHEAF_TEST_READ_CRASH="1033")
        self.assertEqual(err.count("started again\n"), 3, out + err)
        self.assertIn("b33.h5:/data  quarantined (crashed while its input was read: signal 11", err)

    def test_shared(self):
        """What all tasks share is nobody's: it is refused."""
        outcome = self.sheaf("run", "add", "random:16384", "b05.h5:/data", "--count", 4, "--allow-filters", "-o", "sum.h5",
                             ranks=0, code=BAD_DATA, environment={"SHEAF_TEST_READ_CRASH": "1005"})
        self.assertIn("b05.h5:/data: ", outcome.complaints()[0])
        self.assertIn("the HDF5 library crashes on it (signal 11", outcome.complaints()[0])
        self.assertFalse(self.path("sum.h5").exists())


class Inflated(PoisonTest):
    """What workers unpack themselves is unpacked by the HDF5 library when it is tried again."""

    def make_input(self, data):
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("a", data=data, chunks=(1, LENGTH), compression="gzip")

    def run_inflating(self, *more, **environment):
        process = self.start(*self.words("--layout", "1x2:1", *more), ranks=0,
                             environment={"LD_PRELOAD": os.environ["INFLATER"], **environment})
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def assertNamed(self, fate):
        with h5py.File(self.path("out.h5")) as file:
            chunk = valid_chunks(file)[33 // PER_CHUNK]
        self.assertEqual([int(chunk[name]) for name in ("state", "fate", "reading")], [CHUNK_STARTED, fate, 1])

    def test_crash(self):
        self.assertEqual(self.run_inflating(SHEAF_TEST_READ_CRASH="33")[0], -signal.SIGSEGV)
        self.assertNamed(2)
        code, out, err = self.run_inflating(SHEAF_TEST_READ_CRASH="33")
        self.assertEqual(code, 0, out + err)
        self.assertOutcome({})

    def test_timeout(self):
        code, out, err = self.run_inflating("--task-timeout", 1, SHEAF_TEST_READ_HANG="33")
        self.assertEqual(code, INTERRUPTED, out + err)
        self.assertIn("reading the input of 4 tasks from 32 on took longer than --task-timeout 1", err)
        self.assertNamed(3)
        code, out, err = self.run_inflating("--task-timeout", 1, SHEAF_TEST_READ_HANG="33")
        self.assertEqual(code, 0, out + err)
        self.assertOutcome({})


if __name__ == "__main__":
    unittest.main()
