#!/usr/bin/env python3
"""Layouts on two (virtual) hosts: --layout auto, sheaf sweep --nodes, the lines to paste, who sleeps, and what remains when one
host's ranks are killed. Run by test_cluster.sh, inside its namespaces.

CLUSTER is the directory that cluster_up.sh was given, RANKS the number of ranks on both hosts: half of them on each.
"""
import os
import pathlib
import re
import shlex
import signal
import time
import unittest

import h5py
import numpy as np
from sheaf_test import (CHUNK_DONE, INTERRUPTED, RANKS, RUN_FINISHED, SHEAF, TASK_DONE, SheafTest, product_and_bound, random_array,
                        thread_shares, valid_chunks)

HOST_RANKS = RANKS // 2
IDLE_SECONDS = 1.5
MOST_SHARE, LEAST_COMPUTED = 0.01, 0.03
MEASURING, COMPLETE = 1, 2


class HostsTest(SheafTest):
    # Between hosts Open MPI talks over TCP.
    quick_start = False
    wrapper = (str(pathlib.Path(__file__).parent / "cluster_run.sh"), os.environ["CLUSTER"])

    def setUp(self):
        super().setUp()
        for name in [name for name in self.environment if name.endswith("_backing_directory")]:
            del self.environment[name]  # each host has a /dev/shm of its own
        # Ranks get no other variable of ours; by this one they are known to be.
        self.environment["OMPI_MCA_mca_base_env_list"] = "SHEAF_TEST_MARKER"

    def make_operands(self, size, count):
        """One product, many times: where results come from is told by their tasks' inputs, each multiplied by another power of 2."""
        self.a, self.b = random_array((size, size), np.float64), random_array((size, size), np.float64, seed=2)
        self.scales = 2.0 ** (np.arange(count) % 64)
        self.write("in.h5", a=self.a[None] * self.scales[:, None, None], b=self.b)
        return "in.h5:/a", "in.h5:/b"

    def check_products(self, name):
        """Every task is done, and its result right; returns the last run's row."""
        expected, bound = product_and_bound(self.a[:20], self.b)
        with h5py.File(self.path(name), "r") as file:
            self.assertTrue((file["sheaf/status"][...] == TASK_DONE).all(), name)
            self.assertEqual(len(valid_chunks(file)), len(file["sheaf/chunks"]), name)
            for task, scale in enumerate(self.scales):
                self.assertWithin(file["result"][task, :20] / scale, expected, bound, f"{name}, task {task}")
            runs = file["sheaf/runs"][...]
        return runs[np.flatnonzero(runs["state"])[-1]]

    def kill_host(self, process, host):
        """What the ranks of a host (0 or 1) compute ends; the launcher then ends all others."""
        for rank, number in self.rank_processes().items():
            if rank // HOST_RANKS == host:
                os.kill(number, signal.SIGKILL)
        self.assertNotEqual(self.finish(process).code, 0)


class Layouts(HostsTest):
    def test_automatic_layout(self):
        """Each host lends its own cores only, and few tasks go to both."""
        operands = self.make_operands(700, HOST_RANKS + 1)
        outcome = self.sheaf("run", "matmul", *operands, "-o", "few.h5")
        run = self.check_products("few.h5")
        cores = int(run["ranks_per_node"]) * int(run["threads"])
        reason = f"auto: {HOST_RANKS + 1} tasks {'for' if HOST_RANKS + 1 < 2 * cores else 'fill'} {2 * cores} cores"
        self.assertEqual((run["nodes"], run["ranks"], run["ranks_per_node"]), (2, RANKS, HOST_RANKS))
        self.assertIn(f"({reason})", outcome.out)
        self.assertTrue(run["choices"].decode().startswith(f"{reason}\n"), run["choices"])
        with h5py.File(self.path("few.h5"), "r") as file:
            chunks = file["sheaf/chunks"][...]
        self.assertEqual(set(chunks["rank"] // HOST_RANKS), {0, 1})
        self.assertEqual(set(chunks["host"]), {0, 1})
        self.assertTrue((chunks["width"] <= cores).all())
        # One of the hosts has a single task: nothing else is left for its other cores.
        alone = chunks[chunks["host"] == np.argmin(np.bincount(chunks["host"]))]
        self.assertEqual(alone["width"].tolist(), [cores])

    def test_who_has_nothing_to_do_sleeps(self):
        process = self.start("run", "gram", "normal:60000x100", "--count", 1000, "-o", "out.h5", "--layout", "1x1")
        self.addCleanup(process.kill)
        self.wait_for_file(process)
        time.sleep(0.5)
        ranks = self.rank_processes()
        self.assertEqual(sorted(ranks), list(range(RANKS)))
        shares = thread_shares(ranks.values(), IDLE_SECONDS)
        self.assertIsNone(process.poll(), "the run ended meanwhile")
        for rank, number in ranks.items():
            threads = shares[number]
            if rank % HOST_RANKS:
                self.assertLess(sum(threads.values()), MOST_SHARE, f"rank {rank} is parked; its threads' shares: {threads}")
            else:
                self.assertGreater(sum(threads.values()), LEAST_COMPUTED, "nobody computes: nothing was measured")
                self.assertLess(threads[number], MOST_SHARE, f"rank {rank}, the main thread's share, of all: {threads}")
        # And when they are asked to stop, they do.
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(self.finish(process).code, INTERRUPTED)


class Killed(HostsTest):
    launcher_may_leave_files = True

    def test_run(self):
        """The second host's ranks are killed while they compute: the first one goes on alone, from what both have committed."""
        operands = self.make_operands(600, 60)
        process = self.start("run", "matmul", *operands, "-o", "out.h5", "--progress", "none")
        self.addCleanup(process.kill)
        self.wait_for_file(process)
        self.wait_until(process, lambda: self.done_hosts("out.h5") == {0, 1})
        self.kill_host(process, 1)
        with h5py.File(self.path("out.h5"), "r") as file:
            before = valid_chunks(file)
        outcome = self.sheaf("resume", "out.h5", ranks=HOST_RANKS)
        self.assertIn("taken over from another run, which has ended", outcome.err)
        self.assertEqual(self.check_products("out.h5")["nodes"], 1)
        with h5py.File(self.path("out.h5"), "r") as file:
            after = valid_chunks(file)
        self.assertIn(1, [row["run"] for row in after.values()], "nothing was left to do")
        for chunk, row in before.items():
            if row["state"] == CHUNK_DONE:
                self.assertEqual(after[chunk]["run"], row["run"], f"chunk {chunk} was computed again")

    def done_hosts(self, name):
        """Hosts that have committed a chunk."""
        with h5py.File(self.path(name), "r") as file:
            chunks = file["sheaf/chunks"][...]
        return set(chunks["rank"][chunks["state"] == CHUNK_DONE] // HOST_RANKS)

    def test_sweep(self):
        """The root's host is killed while it sweeps over one and two hosts: the sweep goes on, and says how to start the best."""
        operands = self.make_operands(200, 24)
        layouts = [f"{HOST_RANKS}x1:1", "auto"]
        arguments = ["sweep", "matmul", *operands, "-o", "sweep.h5", "--nodes", "--seconds", 4, "--layouts", ",".join(layouts)]
        process = self.start(*arguments)
        self.addCleanup(process.kill)
        self.wait_for_file(process, "sweep.h5")
        self.wait_until(process, lambda: np.count_nonzero(self.sweep_columns()["seconds"]) > 5)
        self.kill_host(process, 0)
        before = self.sweep_columns()
        self.assertEqual(before["phase"][0], MEASURING)

        outcome = self.sheaf(*arguments)
        columns = self.sweep_columns()
        kept = before["seconds"] > 0
        np.testing.assert_array_equal(columns["seconds"][kept], before["seconds"][kept])
        self.assertEqual(columns["phase"][0], COMPLETE)
        self.assertEqual(columns["nodes"].tolist(), [2, 2, 1, 1])
        self.assertTrue((columns["repeats"] == columns["rounds"][0]).all())
        shown = re.findall(r"^(1 node|2 nodes), (\S+) +.* (best|cannot be told from the best|worse)$", outcome.out, re.MULTILINE)
        self.assertEqual(sorted(row[:2] for row in shown),
                         sorted((nodes, layout) for nodes in ("1 node", "2 nodes") for layout in layouts))
        best = int(np.argmax(columns["tasks_per_second"]))
        self.assertEqual(shown[0], (("2 nodes", "1 node")[best // 2], layouts[best % 2], "best"))
        self.check_use(outcome.out, *(int(columns[key][best]) for key in ("nodes", "ranks", "threads")), layouts[best % 2])

        # Had it been the other number of hosts, the line would be for these.
        other = (best + 2) % 4
        with h5py.File(self.path("sweep.h5"), "r+") as file:
            file["sweep/seconds"][:, other] /= 100
        outcome = self.sheaf(*arguments)
        self.check_use(outcome.out, *(int(columns[key][other]) for key in ("nodes", "ranks", "threads")), layouts[other % 2])

    def sweep_columns(self):
        with h5py.File(self.path("sweep.h5"), "r") as file:
            return {key: value[...] for key, value in file["sweep"].items()}

    def check_use(self, printed, nodes, ranks, threads, layout):
        """The line to paste works as it stands, and puts as many ranks on as many hosts as it was measured with."""
        self.assertIn(f"#SBATCH --nodes={nodes} --ntasks-per-node={ranks} --cpus-per-task={threads}\n", printed)
        launcher, arguments = re.search(r"^use:  (.*?)\bsheaf (.*)$", printed, re.MULTILINE).groups()
        self.assertIn(f" --layout {layout} ", arguments)
        command = [*shlex.split(launcher), SHEAF, *shlex.split(arguments), "--overwrite"]
        self.finish(self.start_command(*command))
        run = self.check_products("OUT.h5")
        self.assertEqual((run["state"], run["nodes"], run["ranks"]), (RUN_FINISHED, nodes, nodes * ranks), command)


if __name__ == "__main__":
    unittest.main()
