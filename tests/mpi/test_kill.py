"""Killed at any moment, a run leaves a file that opens, results that are right where their records say so, and nobody
behind."""
import os
import signal
import time
import unittest

import h5py
import numpy as np

from sheaf_test import (CHUNK_DONE, RANKS, RUN_DRAINED, RUN_FINISHED, RUN_RUNNING, TASK_DONE, SheafTest, unit_roundoff, valid_chunks)

TASKS, ROWS, INNER = 400, 20, 1500


class Killed(SheafTest):
    # Whoever is left behind may be Open MPI's: what users have of it is all there.
    quick_start = False

    # The launcher's files outlive it; they are in directories of the test, and go with them.
    launcher_may_leave_files = True

    def setUp(self):
        super().setUp()
        # Products of 90 MFLOP with a shared matrix: a few milliseconds each, in chunks of a few.
        self.sheaf("make", "in.h5", f"a=random:{ROWS}x{INNER}", f"b=random:{INNER}x{INNER}:shared", "--count", TASKS,
                   ranks=0)
        with h5py.File(self.path("in.h5"), "r") as file:
            # NumPy's error is as large as ours. All numbers are positive: |A| |B| = A B.
            self.expected = file["a"][...] @ file["b"][...]
        gamma = INNER * unit_roundoff(np.float64) / (1 - INNER * unit_roundoff(np.float64))
        self.bound = 2.01 * gamma * self.expected

    def start_run(self, name, environment=None):
        """Start, and wait until the results file is there."""
        process = self.start("run", "matmul", "in.h5:/a", "in.h5:/b", "-o", name, "--layout",
                             "1x1" if environment else f"{RANKS}x1", environment=environment)
        self.addCleanup(process.kill)
        self.wait_for_file(process, name)
        return process

    def wait_for_chunks(self, process, name, share):
        """Until this share of the chunks is done, or the run has ended."""
        with h5py.File(self.path(name), "r") as file:
            offset, count = file["sheaf/chunks"].id.get_offset(), len(file["sheaf/chunks"])
        with open(self.path(name), "rb", buffering=0) as raw:
            while process.poll() is None:
                raw.seek(offset)
                states = raw.read(128 * count)[::128]
                if states.count(CHUNK_DONE) >= share * count:
                    return
                time.sleep(0.001)

    def check_file(self, name, drained):
        """Returns the share of chunks that are done."""
        with h5py.File(self.path(name), "r") as file:
            file.visititems(lambda _, item: item[...] if isinstance(item, h5py.Dataset) else None)
            result, status = file["result"][...], file["sheaf/status"][...]
            chunks = valid_chunks(file)
            done = 0
            for number, chunk in chunks.items():
                if chunk["state"] != CHUNK_DONE:
                    continue
                done += 1
                tasks = slice(chunk["first"], chunk["first"] + chunk["count"])
                self.assertWithin(result[tasks], self.expected[tasks], self.bound[tasks], f"{name}: chunk {number}")
                self.assertTrue((status[tasks] == TASK_DONE).all(), f"{name}: status of chunk {number}")
            tasks_done = sum(chunk["count"] for chunk in chunks.values() if chunk["state"] == CHUNK_DONE)
            share = done / len(file["sheaf/chunks"])
            # Ranks whose launcher dies live a moment longer: they may get to the end, but then it is the end.
            state = file["sheaf/runs"][0]["state"]
            # Asked to end, they may even have drained by then.
            ends = (RUN_RUNNING, RUN_DRAINED) if drained else (RUN_RUNNING,)
            self.assertIn(state, ends + (RUN_FINISHED,) if share == 1 else ends)
        out = self.sheaf("info", name, ranks=0).out
        self.assertIn(f"{tasks_done} of {TASKS} tasks done, 0 failed", out)
        self.assertIn({RUN_FINISHED: "finished", RUN_DRAINED: "drained"}.get(state, "running or killed"), out)
        return share

    def assertNobodyLeft(self, process, seconds=5.0):
        end = time.monotonic() + seconds
        while self.processes() and time.monotonic() < end:
            time.sleep(0.05)
            process.poll()
        self.assertEqual(self.processes(), {}, f"processes live {seconds} s after the kill")
        process.communicate()

    def kill_ranks(self, process):
        for rank in self.rank_processes().values():
            os.kill(rank, signal.SIGKILL)

    def kill_last_rank(self, process):
        ranks = self.rank_processes()
        os.kill(ranks[max(ranks)], signal.SIGKILL)

    def kill_launcher(self, process):
        process.kill()

    def terminate_launcher(self, process):
        process.terminate()

    def interrupt_launcher(self, process):
        process.send_signal(signal.SIGINT)

    def check_kills(self, ways, environment=None):
        """Each way to kill, at another moment of a run."""
        middle = 0
        for number, (way, share) in enumerate(ways):
            with self.subTest(way=way.__name__, share=share):
                name = f"out-{number}.h5"
                process = self.start_run(name, environment)
                self.wait_for_chunks(process, name, share)
                way(process)
                self.assertNobodyLeft(process)
                self.assertNotEqual(process.returncode, 0, "the run was too short to be killed")
                found = self.check_file(name, way in (self.terminate_launcher, self.interrupt_launcher))
                self.assertGreaterEqual(found, share)
                middle += 0 < found < 1
        self.assertGreater(middle, 0, "no kill came in the middle of a run")

    def test_ranks(self):
        self.check_kills([(self.kill_ranks, share) for share in (0, 0.01, 0.2, 0.5)])

    @unittest.skipUnless(RANKS > 1, "there is a launcher")
    def test_launcher(self):
        self.check_kills([(self.kill_last_rank, 0.1), (self.kill_launcher, 0.05), (self.kill_launcher, 0.4),
                          (self.terminate_launcher, 0.2), (self.interrupt_launcher, 0.3)])

    @unittest.skipUnless(RANKS > 1, "there are several nodes")
    def test_several_nodes(self):
        """Commits of the other nodes are on their way to the root."""
        self.check_kills([(self.kill_ranks, 0.1), (self.kill_launcher, 0.4)], {"SHEAF_NODE_RANKS": "1"})


if __name__ == "__main__":
    unittest.main()
