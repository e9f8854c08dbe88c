#!/usr/bin/env python3
"""A damaged compressed chunk, which is met only while a run reads: the run ends with what is wrong, what is committed is right,
and with the input mended it is gone on with."""
import shutil
import unittest

import h5py
import numpy as np
from sheaf_test import IO_ERROR, SheafTest

COUNT, SIZE = 64, 48


class Chunk(SheafTest):
    def setUp(self):
        super().setUp()
        self.a = np.random.default_rng(5).random((COUNT, SIZE, SIZE)) + 2 * SIZE * np.eye(SIZE)
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("a", data=self.a, chunks=(1, SIZE, SIZE), compression="gzip")
        shutil.copy(self.path("in.h5"), self.path("whole.h5"))

    def damage(self, task, damaged):
        with h5py.File(self.path("in.h5")) as file:
            place = file["a"].id.get_chunk_info_by_coord((task, 0, 0))
        with open(self.path("in.h5"), "r+b") as file:
            file.seek(place.byte_offset)
            file.write(damaged(place.size))

    def check_committed(self):
        """The file opens, and what it calls done is right."""
        with h5py.File(self.path("out.h5")) as file:
            done = np.flatnonzero(file["sheaf/status"][:] == 1)
            np.testing.assert_allclose(file["result"][done], np.linalg.inv(self.a[done]), rtol=1e-9, atol=1e-12)
        return done

    def run_damaged(self, damaged):
        task = COUNT // 2 + 3  # not one that is sampled to know the input again
        self.damage(task, damaged)
        outcome = self.sheaf("run", "inv", "in.h5:/a", "-o", "out.h5", "--layout", "1x1", code=IO_ERROR)
        self.assertEqual(len(outcome.complaints()), 1, str(outcome))
        self.assertIn("in.h5:/a", outcome.complaints()[0])
        self.assertNotIn(task, self.check_committed())
        shutil.copy(self.path("whole.h5"), self.path("in.h5"))
        self.sheaf("resume", "out.h5")
        self.assertEqual(len(self.check_committed()), COUNT)
        self.sheaf("verify", "out.h5")

    def test_noise(self):
        self.run_damaged(lambda size: np.random.default_rng(9).bytes(size))

    def test_cut(self):
        """The stream is right, but ends too early."""
        self.run_damaged(lambda size: b"\x78\x9c\x63\x00\x00\x00\x01\x00\x01")

    def test_zeros(self):
        self.run_damaged(bytes)


if __name__ == "__main__":
    unittest.main()
