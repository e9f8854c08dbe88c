#!/usr/bin/env python3
"""--layout auto: few tasks, the last ones of many, and tasks too large for memory are computed on several cores; what was
chosen and why is printed and stands in the results file."""
import re
import unittest

import h5py
import numpy as np
from sheaf_test import RANKS, TASK_DONE, SheafTest, product_and_bound, random_array

LARGE = 900  # 1.5 GFLOP: on one core of any speed longer than what a chunk must take to be worth several


class Auto(SheafTest):
    def setUp(self):
        super().setUp()
        self.cores = int(re.search(r"cores +(\d+)", self.sheaf("info", ranks=0).out)[1])
        if self.cores < 2:
            self.skipTest("one core")

    def products(self, count, *options, size=LARGE, ranks=None, environment=None):
        """Run products and check one; returns what was printed, the run's row and the chunks' widths, in order of start."""
        a, b = (random_array((size, size), np.float64, seed) for seed in (1, 2))
        self.write("in.h5", a=np.repeat(a[None], count, axis=0), b=b)
        ranks = {} if ranks is None else {"ranks": ranks}
        outcome = self.sheaf("run", "matmul", "in.h5:/a", "in.h5:/b", "-o", "out.h5", "--overwrite", *options,
                             environment=environment, **ranks)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertTrue((file["sheaf/status"][...] == TASK_DONE).all())
            rows = np.unique(np.linspace(0, size - 1, 20).astype(int))
            expected, bound = product_and_bound(a[rows], b)
            for task in range(count):
                self.assertWithin(file["result"][task][rows], expected, bound)
            chunks = file["sheaf/chunks"][...]
            return outcome.out, file["sheaf/runs"][0], chunks["width"][np.argsort(chunks["compute_start"])].tolist()

    def test_one_task_has_all_cores(self):
        for ranks in (None, 0):  # cores of several ranks, and of one process
            printed, run, widths = self.products(1, ranks=ranks)
            cores = int(run["ranks_per_node"]) * int(run["threads"])
            self.assertEqual(widths, [cores])
            self.assertEqual(run["width"], 1)
            if cores == 1:
                continue
            self.assertIn(f"(auto: 1 task for {cores} cores)", printed)
            self.assertIn("1 of 1 chunks on several cores", printed)
            self.assertIn(f"auto: 1 task for {cores} cores", run["choices"].decode())
            self.assertRegex(run["choices"].decode(), rf"on 1 core each; where cores are left over on up to {cores}, then")

    def test_the_last_of_an_odd_number(self):
        """Whether the others of a round end at about the same time is up to the machine, so only sums are certain."""
        printed, run, widths = self.products(2 * self.cores + 1)
        cores = int(run["ranks_per_node"]) * int(run["threads"])
        self.assertEqual(widths[:cores], [1] * cores)
        self.assertIn(f"(auto: {2 * self.cores + 1} tasks fill {cores} cores)", printed)
        wide = sum(width > 1 for width in widths)
        self.assertEqual(f"{wide} of {len(widths)} chunks on several cores" in printed, wide > 0)

    def test_several_nodes(self):
        """Each node lends its own cores only, and few tasks go to all nodes."""
        nodes = {"SHEAF_NODE_RANKS": "1"}
        printed, run, widths = self.products(RANKS, environment=nodes)
        self.assertEqual(run["nodes"], RANKS)
        with h5py.File(self.path("out.h5"), "r") as file:
            self.assertEqual(sorted(file["sheaf/chunks"]["rank"].tolist()), list(range(RANKS)))
        self.assertEqual(widths, [int(run["threads"])] * RANKS)

    def test_small_tasks_stay_on_a_core(self):
        printed, run, widths = self.products(1, size=60)
        self.assertEqual(widths, [1])
        if int(run["ranks_per_node"]) * int(run["threads"]) > 1:
            self.assertIn("on 1 core each, more would be no faster", printed)

    def test_memory_for_one_task(self):
        """Two tasks at a time do not fit: one at a time then has all cores."""
        if self.cores > 2:
            self.skipTest("the figures are for two cores")
        matrix = LARGE * LARGE * 8  # one is shared, two are a task's own
        printed, run, widths = self.products(3, "--memory", f"{4 * matrix // 1024}K")
        self.assertEqual(run["layout"], b"1x2:2")
        self.assertIn("layout 1x2:2 (auto: memory holds 1 task at a time)", printed)
        self.assertEqual(widths, [2, 2, 2])

    def test_reproducible(self):
        """One core a task, whatever else: alike for any number of tasks, memory and layout."""
        bits = set()
        for options in ([], ["--layout", "1x2:2"], ["--memory", "48M"]):
            printed, run, widths = self.products(1, "--reproducible", *options)
            self.assertEqual(widths, [1])
            longer = re.search(r"--reproducible: every task on 1 core; predicted to take (\d+) % longer", printed)
            if int(run["threads"]) * int(run["ranks_per_node"]) > 1:
                self.assertGreater(int(longer[1]), 30)
                self.assertIn(longer[0], run["choices"].decode())
            bits.add(self.read("out.h5").tobytes())
        self.assertEqual(len(bits), 1)

    def test_reproducible_without_a_price(self):
        printed, _, _ = self.products(40, "--reproducible", size=60)
        self.assertIn("--reproducible: every task on 1 core, which is predicted to cost no time here", printed)

    def test_auto_is_the_default(self):
        _, run, _ = self.products(3, size=60)
        _, named, _ = self.products(3, "--layout", "auto", size=60)
        self.assertEqual((run["layout"], run["choices"]), (named["layout"], named["choices"]))
        _, fixed, _ = self.products(3, "--layout", "1x1", size=60)
        self.assertEqual(fixed["choices"], b"")


if __name__ == "__main__":
    unittest.main()
