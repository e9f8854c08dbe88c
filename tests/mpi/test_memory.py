#!/usr/bin/env python3
"""Memory: what a run takes follows from its budget and its largest task, not from the number of tasks or the size of its files."""
import os
import unittest

import h5py
import numpy as np
from sheaf_test import NO_RESOURCES, RANKS, SheafTest

MEGABYTE = 1 << 20


class Memory(SheafTest):
    def most_resident(self, *arguments, code=0):
        """The most memory that a run without a launcher ever had in use, in bytes."""
        process = self.start(*arguments, "--progress", "none", ranks=0)
        for stream in process.stdout, process.stderr:
            stream.read()
            stream.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, code)
        return usage.ru_maxrss * 1024

    @unittest.skipUnless(RANKS == 1, "of one process")
    def test_results_and_inputs_larger_than_the_budget(self):
        """640 MB of results under a budget of 64 MB, written to a disk, then read again: in place, copied, and compressed."""
        budget = ["--memory", "64M", "--overwrite"]
        small = self.most_resident("run", "copy", "random:256x256", "--count", 20, "-o", "small.h5", *budget)
        large = self.most_resident("run", "copy", "random:256x256", "--count", 1280, "-o", "large.h5", *budget)
        self.assertGreater(os.path.getsize(self.path("large.h5")), 640 * MEGABYTE)
        self.assertLess(large, small + 64 * MEGABYTE)
        with h5py.File(self.path("packed.h5"), "w") as file:
            file.create_dataset("a", data=np.zeros((1280, 256, 256)), chunks=(2, 256, 256), compression="gzip")
        for way, operand in (("copy", "large.h5:/result"), ("map", "large.h5:/result"), ("copy", "packed.h5:/a")):
            self.environment["SHEAF_READ"] = way
            most = self.most_resident("run", "norm", operand, "-o", "norms.h5", *budget)
            self.assertLess(most, small + 96 * MEGABYTE, f"{operand}, {way}")

    @unittest.skipUnless(RANKS == 1, "of one process")
    def test_many_tasks(self):
        """Ten million tasks take hardly more than ten thousand."""
        few = self.most_resident("run", "exp", "random:4", "--count", 10**4, "-o", "few.h5")
        many = self.most_resident("run", "exp", "random:4", "--count", 10**7, "-o", "many.h5")
        self.assertLess(many, few + 16 * MEGABYTE)

    def test_a_task_that_does_not_fit_is_refused_before_anything_is_created(self):
        outcome = self.sheaf("run", "copy", "random:4096x4096", "--count", 3, "-o", "none.h5", "--memory", "100M",
                             code=NO_RESOURCES)
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        self.assertIn("a task needs 0.2", outcome.complaints()[0])
        self.assertIn("this rank may use 0.", outcome.complaints()[0])
        self.assertFalse(self.path("none.h5").exists())


if __name__ == "__main__":
    unittest.main()
