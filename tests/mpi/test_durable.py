"""While a run goes on: its heartbeat, syncs, and the marks that say what is known to be on the disk."""
import os
import signal
import time
import unittest

import h5py

from sheaf_test import CHUNK_DONE, RUN_FAILED, RUN_RUNNING, SheafTest, valid_chunks

LONG = ("run", "matmul", "random:20x1500", "random:1500x1500:shared", "--count", 20000, "-o", "out.h5")


class DurableTest(SheafTest):
    launcher_may_leave_files = True

    def watch(self, *options, environment=None):
        """Start a long run; what is there to be seen of it goes through look(), until that is content; kill it."""
        process = self.start(*LONG, *options, environment=environment)
        self.addCleanup(process.kill)
        return process

    def look(self, process, content, limit=40.0):
        end = time.monotonic() + limit
        while True:
            self.assertIsNone(process.poll(), "the run ended before it was looked at")
            if self.path("out.h5").exists():
                with h5py.File(self.path("out.h5"), "r") as file:
                    run, marks = file["sheaf/runs"][0], file["sheaf/marks"][...]
                    chunks = valid_chunks(file).values()
                if content(run, marks[marks["time"] > 0], [c for c in chunks if c["state"] == CHUNK_DONE]):
                    return run
            self.assertLess(time.monotonic(), end, "nothing came of it")
            time.sleep(0.1)

    def kill(self, process):
        for rank in self.rank_processes().values():
            os.kill(rank, signal.SIGKILL)
        self.finish(process)

    def check_marks(self, environment=None):
        """With each commit the marks move on, and say no more than is committed."""

        def content(run, marks, done):
            # What is read last is newer.
            self.assertLessEqual(sum(int(mark["sequence"]) for mark in marks), len(done))
            return len(marks) > 0 and marks["sequence"].min() > 5 and len(done) > 100

        process = self.watch("--sync", "each", environment=environment)
        self.look(process, content)
        self.kill(process)

    def test_each(self):
        self.check_marks()

    def test_several_nodes(self):
        """They have one name here, and so one mark: it says what is true of all."""
        self.check_marks({"SHEAF_NODE_RANKS": "1"})

    def test_end_and_heartbeat(self):
        process = self.watch("--sync", "end")
        run = self.look(process, lambda run, marks, done: run["heartbeat"] > run["start"] + 4 and len(done) > 0)
        self.assertEqual(run["state"], RUN_RUNNING)
        self.look(process, lambda run, marks, done: self.assertEqual(len(marks), 0) or True)
        self.kill(process)

    def test_lock_lost(self):
        """Another host was sure that this run had ended: it stops, and leaves the lock of the other."""
        process = self.watch()
        self.look(process, lambda run, marks, done: len(done) > 0)
        lock = "sheaf lock 1\nstart 1.5e9\nhost elsewhere\npid 17\nboot b\ntoken t\n"
        self.path("new").write_text(lock)
        os.rename(self.path("new"), self.path("out.h5.lock"))
        outcome = self.finish(process)
        self.assertEqual(outcome.code, 73, str(outcome))
        self.assertEqual(outcome.complaints(), ["sheaf: out.h5: another run has taken it over: pid 17 on elsewhere, "
                                                "started 2017-07-14T02:40:00Z; this one stops"])
        self.assertEqual(self.path("out.h5.lock").read_text(), lock)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(file["sheaf/runs"][0]["state"], RUN_FAILED)


if __name__ == "__main__":
    unittest.main()
