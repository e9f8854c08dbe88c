#!/usr/bin/env python3
"""--outputs writes only what is asked for; --check-finite refuses tasks that are not finite."""
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, TASK_DONE, TASK_NOT_FINITE, USAGE, SheafTest


class Selection(SheafTest):
    def test_outputs(self):
        self.sheaf("run", "svd", "random:20x12", "--count", "7", "-o", "all.h5")
        self.sheaf("run", "svd", "random:20x12", "--count", "7", "-o", "some.h5", "--outputs", "vt,s")
        with h5py.File(self.path("all.h5")) as every, h5py.File(self.path("some.h5")) as some:
            self.assertEqual(sorted(set(every) - {"sheaf"}), ["s", "u", "vt"])
            self.assertEqual(sorted(set(some) - {"sheaf"}), ["s", "vt"])
            for name in ("s", "vt"):
                np.testing.assert_array_equal(some[name][:], every[name][:])
        self.assertIn("/vt", self.sheaf("info", "some.h5").out)

    def test_dry_run_lists_what_is_written(self):
        for options, outputs, size in (([], "(20, 12) f64, (12) f64, (12, 12) f64", "22.2 kB"),
                                       (["--outputs", "vt,s"], "(12) f64, (12, 12) f64", "8.74 kB"),
                                       (["--outputs", "u"], "(20, 12) f64", "13.4 kB")):
            out = self.sheaf("run", "svd", "random:20x12", "--count", "7", "--dry-run", *options).out
            self.assertIn(f"(20, 12) f64 -> {outputs} · a task", out)
            self.assertIn(f"output: {size}", out)

    def test_unknown_outputs(self):
        for text in ("q", "s,q", "s,", ""):
            outcome = self.sheaf("run", "svd", "random:20x12", "--count", "7", "-o", "out.h5", "--outputs", text,
                                 code=USAGE, limit=20)
            self.assertEqual(len(outcome.complaints()), 1, str(outcome))
            self.assertIn("--outputs", outcome.complaints()[0])
            self.assertFalse(self.path("out.h5").exists())

    def test_check_finite(self):
        tasks = np.ones((6, 3, 3))
        tasks[2, 1, 1], tasks[5, 0, 2] = np.nan, -np.inf
        with h5py.File(self.path("in.h5"), "w") as file:
            file["m"], file["bad"], file["c"] = tasks, tasks[2], tasks.astype(np.complex64)
        for name in ("m", "c"):
            outcome = self.sheaf("run", "copy", f"in.h5:/{name}", "-o", f"{name}.h5", "--check-finite", code=1)
            self.assertIn("task 2  not finite", outcome.err)
            with h5py.File(self.path(f"{name}.h5")) as file:
                status, result = file["sheaf/status"][:], file["result"][:]
            self.assertEqual(status.tolist(), [TASK_NOT_FINITE if t in (2, 5) else TASK_DONE for t in range(6)])
            self.assertTrue(np.isnan(result[[2, 5]]).all() and (result[[0, 1, 3, 4]] == 1).all())
        self.sheaf("run", "copy", "in.h5:/m", "-o", "spread.h5")
        outcome = self.sheaf("run", "matmul", "in.h5:/m", "in.h5:/bad", "-o", "none.h5", "--check-finite",
                             code=BAD_DATA, limit=20)
        self.assertIn("in.h5:/bad", outcome.complaints()[0])


if __name__ == "__main__":
    unittest.main()
