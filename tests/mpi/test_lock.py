"""OUT.h5.lock: one run at a time writes a results file."""
import os
import re
import signal
import socket
import time
import unittest

import numpy as np

from sheaf_test import INTERRUPTED, NO_OUTPUT, RANKS, SheafTest

LONG = ("run", "det", "random:700x700", "--count", 50000, "-o", "out.h5")  # ends when the test says so
SHORT = ("run", "matmul", "random:20x20", "random:20x20", "--count", 20, "-o", "out.h5")


class LockTest(SheafTest):
    launcher_may_leave_files = True

    def start_long(self):
        """Start a run that takes minutes; returns it, when it has its lock, and the number of its rank 0."""
        process = self.start(*LONG)
        self.addCleanup(process.kill)
        self.wait_for_file(process, "out.h5.lock")
        return process, int(re.search("^pid ([0-9]+)$", self.path("out.h5.lock").read_text(), re.M)[1])

    def locks(self):
        return [path.name for path in self.work.glob("*.lock*")]

    def forge(self, **fields):
        """A lock as somebody else would have left it."""
        fields = {"start": 1.5e9, "host": "elsewhere", "pid": 17, "boot": "b", "space": "s", "token": "t", **fields}
        self.path("out.h5.lock").write_text("sheaf lock 1\n" + "".join(f"{k} {v}\n" for k, v in fields.items()))


class Held(LockTest):
    def test_second_run(self):
        process, root = self.start_long()
        for options in ([], ["--overwrite"], ["--take-over", "--overwrite"]):
            outcome = self.sheaf(*LONG, *options, code=NO_OUTPUT)
            self.assertRegex(outcome.complaints()[0],
                             rf"^sheaf: out.h5: another run writes it: pid {root} on {re.escape(socket.gethostname())}, "
                             r"started 20..-..-..T..:..:..Z; wait until that has ended, or give another -o$")
        self.wait_for_file(process)
        os.kill(root, signal.SIGUSR1)
        outcome = self.finish(process)
        self.assertEqual(outcome.code, INTERRUPTED, str(outcome))
        self.assertEqual(self.locks(), [])
        self.assertRegex(self.sheaf("info", "out.h5", ranks=0).out, r"[1-9][0-9]* of 50000 tasks done")
        self.sheaf("verify", "out.h5", ranks=0)

    def test_several_at_once(self):
        """For a new file: one gets it, whoever comes next finds the lock, or the file."""
        processes = []
        for i in range(3):
            own = self.sessions / str(i)  # launchers that share one remove each other's directories
            own.mkdir()
            processes.append(self.start(*SHORT, environment={"TMPDIR": str(own)}))
        outcomes = [self.finish(process) for process in processes]
        codes = sorted(outcome.code for outcome in outcomes)
        self.assertEqual(codes, [0, NO_OUTPUT, NO_OUTPUT], "\n".join(map(str, outcomes)))
        self.assertEqual(self.locks(), [])
        self.assertIn("20 of 20 tasks done", self.sheaf("info", "out.h5", ranks=0).out)

    def test_readers(self):
        """Neither the lock nor the run keeps readers out, and a dry run takes no lock."""
        process, _ = self.start_long()
        self.wait_for_file(process)
        self.read("out.h5")
        self.sheaf("info", "out.h5", ranks=0)
        self.sheaf(*LONG, "--dry-run", "--overwrite")
        self.kill_all()
        self.finish(process)


class Left(LockTest):
    def sheaf(self, *arguments, ranks=0, **how):
        """Only the root knows of locks: without a launcher it is there sooner."""
        return super().sheaf(*arguments, ranks=ranks, **how)

    def test_killed(self):
        process, root = self.start_long()
        for rank in self.rank_processes().values():
            os.kill(rank, signal.SIGKILL)
        self.finish(process)
        self.assertEqual(self.locks(), ["out.h5.lock"])
        for path in self.work.glob("*.partial-*"):  # where it was killed before the file had its name
            path.unlink()
        outcome = self.sheaf(*SHORT, "--overwrite")
        self.assertRegex(outcome.complaints()[0], rf"^sheaf: out.h5: taken over from another run, which has ended: pid {root} on ")
        self.assertEqual(self.locks(), [])
        self.assertEqual(len(self.read("out.h5")), 20)

    def test_elsewhere(self):
        for fields in ({}, {"job": 5, "cluster": "c"}, {"host": socket.gethostname()}):
            with self.subTest(**fields):
                self.forge(**fields)
                before = self.path("out.h5.lock").read_bytes()
                outcome = self.sheaf(*SHORT, "--overwrite", code=NO_OUTPUT)
                self.assertRegex(outcome.complaints()[0],
                                 r"^sheaf: out.h5: another run writes it: pid 17 on .*started 2017-07-14T02:40:00Z, which "
                                 r"cannot be seen from here; if that has ended, give --take-over$")
                self.assertEqual(self.path("out.h5.lock").read_bytes(), before)
                outcome = self.sheaf(*SHORT, "--overwrite", "--take-over")
                self.assertIn("taken over from another run", outcome.complaints()[0])
                self.assertEqual(self.locks(), [])

    def test_no_lock(self):
        self.path("victim").write_bytes(b"mine")
        for make in (lambda path: path.write_text("hello"), lambda path: path.symlink_to("victim")):
            make(self.path("out.h5.lock"))
            outcome = self.sheaf(*SHORT, code=NO_OUTPUT)
            self.assertRegex(outcome.complaints()[0], "out.h5.lock is no lock that Sheaf can read; if no run writes the file, give --take-over, or remove it")
            self.path("out.h5.lock").unlink()
        self.assertEqual(self.path("victim").read_bytes(), b"mine")

    def test_refused_runs_leave_none(self):
        self.write("in.h5", a=np.zeros((3, 2, 2)))
        self.sheaf("run", "inv", "in.h5:/a", "-o", "in.h5", "--overwrite", code=NO_OUTPUT)
        self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", code=1)
        self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", code=NO_OUTPUT)
        self.sheaf("run", "inv", "in.h5:/a", "-o", "nowhere/out.h5", code=NO_OUTPUT)
        self.assertEqual(self.locks(), [])


if __name__ == "__main__":
    unittest.main()
