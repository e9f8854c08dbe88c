"""sheaf status: how far a results file is, who runs it, and what a loop that starts a run again needs to know."""
import json
import os
import re
import signal
import time
import unittest

import h5py
import numpy as np

from sheaf_test import BAD_DATA, CHUNK_DONE, NO_INPUT, RANKS, USAGE, SheafTest, random_array, valid_chunks

FAILED, NOT_DONE = 1, 75


class StatusTest(SheafTest):
    # Whoever is killed leaves the launcher's files behind.
    launcher_may_leave_files = True

    def status(self, name, *options, code=0, ranks=0):
        """What it prints; a code that is an answer is no complaint."""
        outcome = self.sheaf("status", name, *options, code=code, ranks=ranks)
        self.assertEqual(outcome.complaints(), [], str(outcome))
        return outcome.out

    def compare(self, name, life):
        """The same numbers as JSON and as text, of a file that nobody writes."""
        found = json.loads(self.status(name, "--json"))
        text = self.status(name)
        counts = re.search(r"  tasks      (\d+) done, (\d+) failed(?:, (\d+) quarantined)?, (\d+) left, of which (\d+) started", text)
        keys = ("done", "failed", "quarantined", "left", "started")
        self.assertEqual([found[key] for key in keys], [int(count or 0) for count in counts.groups()])
        self.assertEqual(found["done"] + found["failed"] + found["quarantined"] + found["left"], found["tasks"])
        self.assertEqual(found["attempts"], 0)
        self.assertEqual(found["file"], name)
        self.assertIn(f": {found['program']} {found['kernel']} ", text)
        self.assertIn({"running": "running or killed"}.get(found["run"]["state"], found["run"]["state"]), text)
        self.assertIn(f"layout {found['run']['layout']}\n", text)
        self.assertEqual(found["owner"]["state"], life)
        self.assertEqual("  owner " in text, life != "none")
        self.assertEqual(found["seconds_left"] is not None, "  rate " in text)
        if "  rate " in text:
            self.assertAlmostEqual(found["tasks_per_second"], float(re.search(r"rate +(\S+) tasks/s", text)[1]),
                                   delta=0.01 * found["tasks_per_second"])
        return found


class Ended(StatusTest):
    def test_done(self):
        self.sheaf("run", "matmul", "random:40x40", "random:40x40", "--count", 30, "-o", "out.h5")
        for options in ([], ["--exit-code"]):
            out = self.status("out.h5", *options)
            self.assertIn("out.h5: sheaf run matmul · 30 of 30 tasks done, 0 failed\n", out)
            self.assertIn("  tasks      30 done, 0 failed, 0 left, of which 0 started\n", out)
            self.assertRegex(out, "last run   finished since ")
            self.assertNotIn("owner", out)
            self.assertNotIn("rate", out)
        found = self.compare("out.h5", "none")
        self.assertEqual((found["tasks"], found["done"], found["run"]["state"], found["run"]["starts"]),
                         (30, 30, "finished", 1))

    def test_failed(self):
        a = random_array((10, 5, 5), np.float64)
        a[3] = 0
        self.write("in.h5", a=a)
        self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", code=1)
        self.assertIn("  tasks      9 done, 1 failed, 0 left", self.status("out.h5"))
        self.compare("out.h5", "none")
        self.rewrite_status(4, 9)
        self.assertIn("  tasks      8 done, 1 failed, 1 quarantined, 0 left", self.status("out.h5"))
        self.compare("out.h5", "none")
        self.status("out.h5", "--exit-code", code=FAILED)

    def rewrite_status(self, task, status):
        with h5py.File(self.path("out.h5"), "r") as file:
            offset = file["sheaf/status"].id.get_offset()
        with open(self.path("out.h5"), "r+b") as file:
            file.seek(offset + task)
            file.write(bytes([status]))

    def test_elsewhere(self):
        """A run of another host lives as long as it shows that; else nobody can tell, but where Slurm knows of its job."""
        self.sheaf("run", "inv", "random:9x9", "--count", 5, "-o", "out.h5")
        self.path("out.h5.lock").write_text("sheaf lock 1\nstart 1.5e9\nhost elsewhere\npid 17\nboot b\njob 7\ncluster c\n"
                                            "token t\n")
        out = self.status("out.h5")
        self.assertRegex(out, "  owner      pid 17 on elsewhere cannot be seen from this host; last sign of life ")
        self.compare("out.h5", "unknown")
        scontrol = self.path("scontrol")
        scontrol.write_text("#!/bin/sh\n[ $2 = config ] && echo ClusterName = c || echo JobState=TIMEOUT\n")
        scontrol.chmod(0o700)
        self.environment["PATH"] = f"{self.work}:{self.environment['PATH']}"
        self.assertIn("pid 17 on elsewhere is gone: the run was killed", self.status("out.h5"))

    def test_launcher(self):
        self.sheaf("run", "inv", "random:9x9", "--count", 5, "-o", "out.h5")
        self.assertEqual(self.status("out.h5").count("5 of 5 tasks done"), 1)

    def test_refusals(self):
        self.write("in.h5", a=np.zeros(3))
        for name, code in (("nowhere.h5", NO_INPUT), ("in.h5", BAD_DATA)):
            for options in ([], ["--exit-code"]):
                outcome = self.sheaf("status", name, *options, ranks=0, code=code)
                self.assertIn(name, outcome.complaints()[0])
        for arguments in ([], ["a.h5", "b.h5"], ["a.h5", "--exit-code=1"]):
            self.sheaf("status", *arguments, ranks=0, code=USAGE)


class Running(StatusTest):
    def test_running_then_killed(self):
        process = self.start("run", "matmul", "random:20x1500", "random:1500x1500:shared", "--count", 2000, "-o", "out.h5",
                             "--layout", f"{RANKS}x1")
        self.addCleanup(process.kill)
        done, end = 0, time.monotonic() + 60
        while done == 0:
            self.assertIsNone(process.poll(), "the run ended before it was looked at")
            self.assertLess(time.monotonic(), end, f"the run commits nothing: {sorted(os.listdir(self.work))} {self.processes()}")
            if self.path("out.h5").exists():
                out = self.status("out.h5", "--exit-code", code=NOT_DONE)
                done = int(re.search("([0-9]+) of 2000 tasks done", out)[1])
        root = self.rank_processes()[0]
        found = json.loads(self.status("out.h5", "--json"))
        self.assertEqual((found["owner"]["pid"], found["owner"]["state"], found["run"]["state"]), (root, "lives", "running"))
        self.assertRegex(out, rf"  owner      pid {root} on \S+ lives; last sign of life ")
        self.assertRegex(out, r"  rate       \S+ tasks/s · what is left takes about .*(ms|s|min)\n")
        for rank in self.rank_processes().values():
            os.kill(rank, signal.SIGKILL)
        self.finish(process)

        with h5py.File(self.path("out.h5"), "r") as file:
            chunks = valid_chunks(file).values()
            done = sum(int(chunk["count"]) for chunk in chunks if chunk["state"] == CHUNK_DONE)
            started = sum(int(chunk["count"]) for chunk in chunks if chunk["state"] not in (0, CHUNK_DONE))
        self.assertLess(done, 2000, "the run was too short to be killed")
        out = self.status("out.h5")
        self.assertIn(f"  tasks      {done} done, 0 failed, {2000 - done} left, of which {started} started\n", out)
        self.assertRegex(out, rf"  owner      pid {root} on \S+ is gone: the run was killed")
        self.assertIn(" once it goes on\n", out)
        self.status("out.h5", "--exit-code", code=NOT_DONE)
        self.assertEqual(self.compare("out.h5", "gone")["owner"]["pid"], root)
        self.path("out.h5.lock").unlink()
        self.compare("out.h5", "gone")


if __name__ == "__main__":
    unittest.main()
