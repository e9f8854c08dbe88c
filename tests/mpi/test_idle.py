"""Who has nothing to do sleeps: the courier while its workers compute, and a parked rank altogether."""
import os
import time
import unittest

from sheaf_test import RANKS, SheafTest, thread_shares

WINDOW_SECONDS = 3.0
MOST_SHARE = 0.01
LEAST_COMPUTED = 0.03  # of a core, which twenty others may want as well: else nobody computes, and nothing is measured


class Idle(SheafTest):
    # The run is ended when enough was seen.
    launcher_may_leave_files = True

    def start_long_run(self, *options, ranks, environment=None):
        """A run that goes on for minutes on any machine: half a second of one core a task, little output."""
        self.process = self.start("run", "gram", "normal:60000x100", "--count", 1000, "-o", "out.h5", "--progress", "log",
                                  *options, ranks=ranks, environment=environment)
        self.addCleanup(self.process.communicate)
        self.addCleanup(self.process.kill)
        self.addCleanup(self.kill_all)
        self.wait_for_file(self.process)
        time.sleep(1)
        return self.rank_processes()

    def shares(self, *processes):
        """Share of a core that each thread of the processes takes during the window."""
        shares = thread_shares(processes, WINDOW_SECONDS)
        self.assertIsNone(self.process.poll(), "the run ended meanwhile")
        return [shares[process] for process in processes]

    @unittest.skipUnless(RANKS == 1, "of one rank")
    def test_courier(self):
        process = self.start_long_run("--layout", "1x1", ranks=0)[0]
        shares, = self.shares(process)
        self.assertGreater(sum(shares.values()), LEAST_COMPUTED, "nobody computes: nothing was measured")
        self.assertLess(shares[process], MOST_SHARE, f"the main thread's share of a core, of all threads: {shares}")

    def expect_parked(self, processes, rank):
        computing, parked = self.shares(processes[0], processes[rank])
        self.assertGreater(sum(computing.values()), LEAST_COMPUTED, "nobody computes: nothing was measured")
        self.assertLess(sum(parked.values()), MOST_SHARE, f"the parked rank's share of a core: {parked}")

    @unittest.skipUnless(RANKS > 1, "of several ranks")
    def test_parked_rank(self):
        processes = self.start_long_run("--layout", "1x1", ranks=RANKS)
        self.assertEqual(sorted(processes), list(range(RANKS)))
        self.expect_parked(processes, RANKS - 1)

    @unittest.skipUnless(RANKS > 1, "of several ranks")
    def test_rank_without_a_core(self):
        """Nobody asked for a layout, and there are more ranks than cores: one is parked, and widths are chosen."""
        cores = len(os.sched_getaffinity(0))
        self.expect_parked(self.start_long_run(ranks=cores + 1), cores)

    @unittest.skipUnless(RANKS > 1, "of several ranks")
    def test_couriers_of_nodes(self):
        """Leaders of nodes look for messages of each other all the time."""
        processes = self.start_long_run("--layout", "1x1", ranks=2, environment={"SHEAF_NODE_RANKS": "1"})
        for process, shares in zip(processes.values(), self.shares(*processes.values())):
            self.assertGreater(sum(shares.values()), 0.1, "nobody computes: nothing was measured")
            self.assertLess(shares[process], MOST_SHARE, f"the main thread's share of a core, of all threads: {shares}")


if __name__ == "__main__":
    unittest.main()
