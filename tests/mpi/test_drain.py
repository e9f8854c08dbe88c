"""Drain: a run that is asked to stop, or whose time is up, commits what it computes, starts nothing new and exits with 75."""
import os
import re
import signal
import time
import unittest

import h5py

from sheaf_test import CHUNK_DONE, CHUNK_STARTED, INTERRUPTED, RANKS, RUN_DRAINED, SheafTest, valid_chunks

LONG = ("run", "matmul", "random:20x1500", "random:1500x1500:shared", "--count", 20000, "-o", "out.h5")
# One task takes longer than any test.
ENDLESS = ("run", "eig", "random:3000x3000", "--count", 6, "-o", "out.h5")


class DrainTest(SheafTest):
    def start_run(self, *arguments, environment=None, done=1):
        """Start a run, and wait until so many tasks are done, or chunks are in work."""
        process = self.start(*arguments, "--progress", "none", environment=environment)
        self.addCleanup(process.kill)
        end = time.monotonic() + 40
        while self.count_tasks() < done or not self.path("out.h5").exists():
            self.assertIsNone(process.poll(), "the run ended before it was asked to")
            self.assertLess(time.monotonic(), end, "the run commits nothing")
            time.sleep(0.02)
        return process

    def count_tasks(self, state=CHUNK_DONE):
        if not self.path("out.h5").exists():
            return 0
        with h5py.File(self.path("out.h5"), "r") as file:
            return sum(int(chunk["count"]) for chunk in valid_chunks(file).values() if chunk["state"] == state)

    def check_drained(self, process, reason, limit=60.0):
        """The exit code, the words, and the file."""
        outcome = self.finish(process, limit)
        self.assertEqual(outcome.code, INTERRUPTED, str(outcome))
        last = outcome.complaints()[-1]
        match = re.match(rf"sheaf: out.h5: stopped by {reason}: ([0-9]+) of ([0-9]+) tasks done, ([0-9]+) left.*; start it "
                         r"again with --resume to go on$", last)
        self.assertTrue(match, str(outcome))
        done, tasks, left = map(int, match.groups())
        self.assertEqual(done + left, tasks)
        self.assertEqual(done, self.count_tasks())
        self.assertGreater(left, 0)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(file["sheaf/runs"][0]["state"], RUN_DRAINED)
        self.assertFalse(self.path("out.h5.lock").exists())
        return outcome, done

    def check_nothing_lost(self, process, reason):
        outcome, done = self.check_drained(process, reason)
        self.assertGreater(done, 0)
        self.assertIn("what is being computed is finished first", outcome.complaints()[-2])
        self.assertEqual(self.count_tasks(CHUNK_STARTED), 0)
        self.assertIn("committed tasks right", self.sheaf("verify", "out.h5", ranks=0).out)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(int(file["sheaf/marks"][0]["sequence"]) > 0, True)


class Signals(DrainTest):
    def test_one_rank(self):
        """Whichever it is, and whichever signal."""
        for number, rank in ((signal.SIGUSR1, 0), (signal.SIGTERM, RANKS - 1), (signal.SIGINT, 0)):
            with self.subTest(number=number, rank=rank):
                process = self.start_run(*LONG, "--overwrite")
                os.kill(self.rank_processes()[rank], number)
                reason = signal.Signals(number).name if rank == 0 else "a signal to another rank"
                self.check_nothing_lost(process, reason)
                self.path("out.h5").unlink()

    def test_launcher(self):
        """mpirun hands it on to all: it is one wish."""
        process = self.start_run(*LONG)
        process.send_signal(signal.SIGUSR1)
        self.check_nothing_lost(process, "SIGUSR1")

    def test_several_nodes(self):
        for rank in (0, RANKS - 1):
            with self.subTest(rank=rank):
                process = self.start_run(*LONG, "--overwrite", environment={"SHEAF_NODE_RANKS": "1"})
                os.kill(self.rank_processes()[rank], signal.SIGUSR1)
                self.check_nothing_lost(process, "SIGUSR1" if rank == 0 else "a signal to another rank")
                self.path("out.h5").unlink()


class Drop(DrainTest):
    def start_endless(self, *options, environment=None):
        process = self.start_run(*ENDLESS, *options, environment=environment, done=0)
        time.sleep(1)  # all workers compute: a signal before that drains as well
        return process

    def test_second_signal(self):
        for environment in ({}, {"SHEAF_NODE_RANKS": "1"}):
            with self.subTest(**environment):
                process = self.start_endless("--overwrite", environment=environment)
                process.send_signal(signal.SIGUSR1)
                time.sleep(1)
                self.assertIsNone(process.poll(), "it does not wait for what it computes")
                process.send_signal(signal.SIGUSR1)
                _, done = self.check_drained(process, "SIGUSR1", limit=30.0)
                self.assertEqual(done, 0)
                self.path("out.h5").unlink()

    def test_grace(self):
        process = self.start_endless("--grace", 1)
        os.kill(self.rank_processes()[RANKS - 1], signal.SIGTERM)
        self.check_drained(process, "a signal to another rank", limit=30.0)


class TimeLimit(DrainTest):
    def test_short_tasks(self):
        """Nothing is started that would not be done; what is left, and how long it takes, is told."""
        outcome, done = self.check_drained(self.start(*LONG, "--time-limit", 8, "--progress", "none"), "its time limit")
        self.assertGreater(done, 0)
        self.assertRegex(outcome.complaints()[-1], r"left, about .* (s|min) at the rate of this run;")

    def test_long_task(self):
        """What takes longer than anybody could predict is dropped."""
        outcome, done = self.check_drained(self.start(*ENDLESS, "--time-limit", 6, "--progress", "none"), "its time limit")
        self.assertEqual(done, 0)

    def test_time_enough(self):
        self.sheaf("run", "inv", "random:20x20", "--count", 50, "-o", "out.h5", "--time-limit", 100)


if __name__ == "__main__":
    unittest.main()
