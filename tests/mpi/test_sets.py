#!/usr/bin/env python3
"""Operands of many datasets, one a task: globs over datasets and files, lists; their order, names, pairing and failures."""
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, NO_INPUT, NO_OUTPUT, SheafTest

COUNT = 12


class Sets(SheafTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        self.beams = random.random((COUNT, 20, 30))
        self.weights = random.random((COUNT, 30, 5))
        with h5py.File(self.path("s.h5"), "w") as file:
            for i in range(COUNT):
                file[f"beams/b{i}/data"], file[f"beams/b{i}/w"] = self.beams[i], self.weights[i]
        self.squares = random.random((COUNT, 8, 8)).astype(np.float32) + 8 * np.eye(8, dtype=np.float32)
        for i in range(COUNT):
            with h5py.File(self.path(f"survey{i}.h5"), "w") as file:
                file["data"] = self.squares[i]

    def results(self, name="out.h5"):
        with h5py.File(self.path(name)) as file:
            names = bytes(file["sheaf/names"][:]).split(b"\0")[:-1]
            return file["result"][:], [n.decode() for n in names], file["sheaf/status"][:]

    def test_datasets(self):
        """b2 before b10; both operands by the same names."""
        self.sheaf("run", "matmul", "s.h5:/beams/*/data", "s.h5:/beams/*/w", "-o", "out.h5")
        result, names, _ = self.results()
        np.testing.assert_allclose(result, self.beams @ self.weights, rtol=1e-12)
        self.assertEqual(names, [f"b{i}" for i in range(COUNT)])
        self.assertIn(f"{COUNT} of {COUNT} tasks done", self.sheaf("info", "out.h5").out)

    def test_one_file_a_task_over_nodes(self):
        self.environment["SHEAF_NODE_RANKS"] = "1"
        self.sheaf("run", "inv", "survey*.h5:/data", "-o", "out.h5")
        result, names, _ = self.results()
        np.testing.assert_allclose(result @ self.squares, np.broadcast_to(np.eye(8), result.shape), atol=1e-5)
        self.assertEqual(names, [str(i) for i in range(COUNT)])

    def test_types(self):
        """Integers become f64, f32 what --as says, f64 also f32."""
        with h5py.File(self.path("types.h5"), "w") as file:
            for i in range(5):
                file[f"int/{i}"] = np.arange(12, dtype=">i2").reshape(3, 4) * (i - 2)
                file[f"real/{i}"] = self.squares[i]
        self.sheaf("run", "gram", "types.h5:/int/*", "-o", "int.h5")
        a = np.stack([np.arange(12.0).reshape(3, 4) * (i - 2) for i in range(5)])
        result = self.results("int.h5")[0]
        self.assertEqual(result.dtype, np.float64)
        np.testing.assert_array_equal(result, a.transpose(0, 2, 1) @ a)
        self.sheaf("run", "inv", "types.h5:/real/*", "--as", "c128", "-o", "c.h5")
        np.testing.assert_allclose(self.results("c.h5")[0], np.linalg.inv(self.squares[:5].astype(np.complex128)), rtol=1e-9)
        self.sheaf("run", "gram", "s.h5:/beams/*/data", "--as", "f32", "-o", "n.h5")
        result, beams = self.results("n.h5")[0], self.beams.astype(np.float32)
        self.assertEqual(result.dtype, np.float32)
        np.testing.assert_allclose(result, beams.transpose(0, 2, 1) @ beams, rtol=1e-5)

    def test_several_types(self):
        """The datasets of one operand meet in NumPy's type, whatever stores them; --as says another."""
        stored = [np.dtype(t) for t in ("<f4", "<f8", ">i2", ">f8", "u1", "<f4")]
        numbers = np.arange(6 * 12).reshape(6, 3, 4) % 29
        with h5py.File(self.path("types.h5"), "w") as file:
            for i, dtype in enumerate(stored):
                packed = {"compression": "gzip", "chunks": (2, 3)} if i >= 3 else {}
                file.create_dataset(f"x/{i}", data=numbers[i].astype(dtype), **packed)
            for i, dtype in enumerate(("f2", "i1")):
                file[f"small/{i}"] = numbers[i].astype(dtype)
            file["complex/0"], file["complex/1"] = numbers[0].astype("c8"), numbers[1].astype("f8")
        grams = numbers.transpose(0, 2, 1) @ numbers
        for operand, options, dtype, count in (
            ("x/*", [], "f8", 6),
            ("x/*", ["--as", "f32"], "f4", 6),
            ("x/[!13]", [], "f4", 4),
            ("small/*", [], "f4", 2),
            ("complex/*", [], "c16", 2),
            ("complex/*", ["--as", "c64"], "c8", 2),
        ):
            with self.subTest(operand, options=options):
                self.sheaf("run", "gram", f"types.h5:/{operand}", *options, "-o", "out.h5", "--overwrite")
                result = self.results()[0]
                self.assertEqual(result.dtype, np.dtype(dtype))
                which = [0, 2, 4, 5] if count == 4 else range(count)
                np.testing.assert_array_equal(result, grams[which])
        with h5py.File(self.path("types.h5"), "a") as file:
            for i in range(6):
                file.create_dataset(f"mask/{i}", data=numbers[i] > 14, compression="gzip" if i % 2 else None)
        self.sheaf("run", "gram", "types.h5:/mask/*[3]", "-o", "mask.h5")
        mask = (numbers[3] > 14).astype("f8")
        np.testing.assert_array_equal(self.results("mask.h5")[0], [mask.T @ mask])
        self.assertEqual(self.results("mask.h5")[1], ["3"])
        outcome = self.sheaf("run", "gram", "types.h5:/complex/*", "--as", "f64", "-o", "no.h5", code=BAD_DATA)
        self.assertIn("is c128, which cannot be read as f64", outcome.complaints()[0])

    def test_list_and_shared(self):
        order = [7, 0, 3]
        self.path("list.txt").write_text("# three\n" + "".join(f"survey{i}.h5:/data\n" for i in order))
        with h5py.File(self.path("one.h5"), "w") as file:
            file["m"] = self.squares[0]
        self.sheaf("run", "matmul", "@list.txt", "one.h5:/m", "-o", "out.h5")
        result, _, _ = self.results()
        np.testing.assert_allclose(result, self.squares[order] @ self.squares[0], rtol=1e-4)

    def test_a_member_that_cannot_be_read_fails_alone(self):
        self.path("survey3.h5").write_text("no HDF5 at all")
        outcome = self.sheaf("run", "inv", "survey*.h5:/data", "-o", "out.h5", code=1)
        result, _, status = self.results()
        self.assertEqual(status.tolist(), [8 if i == 3 else 1 for i in range(COUNT)])
        self.assertTrue(np.isnan(result[3]).all() and np.isfinite(np.delete(result, 3, axis=0)).all())
        self.assertIn("survey3.h5", outcome.err)
        self.assertIn("unreadable", outcome.err)

    def test_packed_files_of_two_shapes_and_a_damaged_one(self):
        """Fetched by one thread, unpacked by three, or by one for one that computes."""
        random = np.random.default_rng(5)
        packed = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        arrays = [np.cumsum(random.random((30 + 10 * (i % 2), 50)), axis=1).astype((">f8", "<f4")[i % 3 == 0])
                  for i in range(COUNT)]
        for i, array in enumerate(arrays):
            with h5py.File(self.path(f"packed{i}.h5"), "w") as file:
                how = packed if i != 6 else {}
                data = file.create_dataset("data", data=array, chunks=(16, 50) if i != 6 else None, **how)
                damaged = data.id.get_chunk_info(1).byte_offset if i == 4 else None
            if damaged:
                with open(self.path(f"packed{i}.h5"), "r+b") as file:
                    file.seek(damaged + 40)
                    file.write(b"damage")
        for layout in ("1x3", "1x1"):
            outcome = self.sheaf("run", "copy", "packed*.h5:/data", "-o", "out.h5", "--overwrite", "--layout", layout,
                                 ranks=0, code=1)
            self.assertIn("packed4.h5", outcome.err)
            with h5py.File(self.path("out.h5")) as file:
                self.assertEqual(file["sheaf/status"][:].tolist(), [8 if i == 4 else 1 for i in range(COUNT)])
                for i, array in enumerate(arrays):
                    expected = array.astype("f8") if i != 4 else np.full(array.shape, np.nan)
                    np.testing.assert_array_equal(file[f"result/{i}"][:], expected)

    def test_refusals(self):
        with h5py.File(self.path("s.h5"), "a") as file:
            file["beams/b99/data"] = np.ones((20, 30))
        for code, words, arguments in (
            (BAD_DATA, ["b99"], ["matmul", "s.h5:/beams/*/data", "s.h5:/beams/*/w"]),
            (NO_OUTPUT, ["survey3.h5", "input"], ["inv", "survey*.h5:/data", "-o", "survey3.h5", "--overwrite"]),
            (NO_OUTPUT, ["s.h5", "input"], ["gram", "s.h5:/beams/*/w", "-o", "s.h5", "--overwrite"]),
            (NO_INPUT, ["nothing*.h5"], ["inv", "nothing*.h5:/data"]),
        ):
            with self.subTest(arguments):
                arguments += [] if "-o" in arguments else ["-o", "none.h5"]
                outcome = self.sheaf("run", *arguments, code=code)
                self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                for word in words:
                    self.assertIn(word, outcome.complaints()[0])
                self.assertFalse(self.path("none.h5").exists())
        with h5py.File(self.path("survey3.h5")) as file:
            np.testing.assert_array_equal(file["data"][:], self.squares[3])


if __name__ == "__main__":
    unittest.main()
