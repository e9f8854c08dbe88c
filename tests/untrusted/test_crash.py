#!/usr/bin/env python3
"""A file that crashes the HDF5 library, or keeps it busy for ever: named alone it is refused, beside others it is a failed
task. The library is told by the names of files what to do."""
import os
import pathlib
import shutil
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, SheafTest

COUNT = 6
DAMAGED = pathlib.Path(__file__).parent / "damaged"


class Crash(SheafTest):
    def setUp(self):
        super().setUp()
        self.environment["LD_PRELOAD"] = os.environ["HOSTILE_LIBRARY"]
        self.environment["SHEAF_EXAMINE_SECONDS"] = "1"
        self.squares = np.random.default_rng(7).random((COUNT, 4, 4)) + 8 * np.eye(4)
        for i in range(COUNT):
            self.write(f"b{i}.h5", data=self.squares[i])

    def refused(self, words, *arguments):
        before = self.snapshot().keys()
        outcome = self.sheaf(*arguments, code=BAD_DATA)
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        for word in words:
            self.assertIn(word, outcome.complaints()[0])
        self.assertEqual(self.snapshot().keys(), before, "something was created, a core perhaps")

    def test_named_file(self):
        self.write("crash.h5", a=self.squares)
        self.refused(["crash.h5:/a: ", "crashed the HDF5 library (Segmentation fault)"], "run", "inv", "crash.h5:/a", "-o",
                     "out.h5")
        shutil.copy(self.path("crash.h5"), self.path("spin.h5"))
        self.refused(["spin.h5:/a: ", "took more than 1 s of CPU"], "run", "inv", "spin.h5:/a", "-o", "out.h5")

    def test_glob(self):
        shutil.move(self.path("b1.h5"), self.path("b1crash.h5"))
        shutil.move(self.path("b4.h5"), self.path("b4spin.h5"))
        outcome = self.sheaf("run", "inv", "b*.h5:/data", "-o", "out.h5", code=1)
        self.assertIn("b1crash.h5", outcome.out + outcome.err)
        with h5py.File(self.path("out.h5")) as file:
            good = [0, 2, 3, 5]
            np.testing.assert_array_equal(np.flatnonzero(file["sheaf/status"][:] == 1), good)
            np.testing.assert_allclose(file["result"][good], np.linalg.inv(self.squares[good]), rtol=1e-10)
            self.assertTrue(np.isnan(file["result"][[1, 4]]).all())

    def test_glob_within_a_file(self):
        """Nothing of such a file is known: there are no tasks to fail."""
        self.write("crash.h5", **{f"d{i}": self.squares[i] for i in range(COUNT)})
        self.refused(["crash.h5", "crashed the HDF5 library"], "run", "inv", "crash.h5:/d*", "-o", "out.h5")

    def test_resume_from_another_directory(self):
        """Paths are from where the run was begun, for the process that examines them too."""
        self.sheaf("run", "inv", "b*.h5:/data", "-o", "out.h5")
        work, self.work = self.work, self.path("elsewhere")
        os.mkdir(self.work)
        self.sheaf("resume", "../out.h5")
        self.work = work
        shutil.copy(self.path("b1.h5"), self.path("b1crash.h5"))
        self.work = self.path("elsewhere")
        self.sheaf("resume", "../out.h5", code=BAD_DATA)  # there is one more
        self.work = work

    def test_results_file(self):
        """Those that Sheaf wrote are no exception."""
        self.sheaf("run", "inv", "b*.h5:/data", "-o", "out.h5")
        os.rename(self.path("out.h5"), self.path("crash.h5"))
        self.refused(["crash.h5: examining it crashed"], "resume", "crash.h5")
        self.refused(["crash.h5: examining it crashed"], "run", "inv", "b*.h5:/data", "-o", "crash.h5", "--resume")


class Damaged(SheafTest):
    """Files that a fuzzer made, of which HDF5 1.10.8 itself crashes, loops for ever, or asks for more memory than there is."""

    def test_each(self):
        self.environment["SHEAF_EXAMINE_SECONDS"] = "1"
        for file in sorted(DAMAGED.glob("*.bin")):
            shutil.copy(file, self.path("x.h5"))
            for operand in ("x.h5:/a", "x.h5:/*"):
                with self.subTest(f"{file.name} {operand}"):
                    outcome = self.sheaf("run", "gram", operand, "-o", "out.h5", code=BAD_DATA)
                    self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                    self.assertIn("x.h5", outcome.complaints()[0])
                    self.assertFalse(self.path("out.h5").exists())


if __name__ == "__main__":
    unittest.main()
