#!/usr/bin/env python3
"""Sets whose datasets have unequal shapes: classes of tasks, results named by the inputs, all of it against NumPy."""
import unittest

import h5py
import numpy as np
import scipy.linalg
from sheaf_test import BAD_DATA, SheafTest

SIZES = [5, 64, 5, 17, 130, 64, 5, 1, 17, 5, 33, 64, 2]


class Classes(SheafTest):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(11)
        self.squares = [random.random((n, n)) + n * np.eye(n) for n in SIZES]
        self.right = [random.random((n, 3)) for n in SIZES]
        with h5py.File(self.path("s.h5"), "w") as file:
            for i, (square, right) in enumerate(zip(self.squares, self.right)):
                file[f"beams/b{i}/data"], file[f"beams/b{i}/rhs"] = square, right

    def check_records(self, name, tasks):
        """Positions, classes and records hold every task once; status and info are in the order of the tasks."""
        with h5py.File(self.path(name)) as file:
            sheaf = file["sheaf"]
            classes, chunks = sheaf["classes"][:], sheaf["chunks"][:]
            order = sheaf["order"][:] if "order" in sheaf else np.arange(tasks)
            self.assertEqual(sorted(order.tolist()), list(range(tasks)))
            self.assertEqual(classes["tasks"].sum(), tasks)
            self.assertEqual("order" in sheaf, len(classes) > 1)
            np.testing.assert_array_equal(classes["first_position"], np.cumsum(classes["tasks"]) - classes["tasks"])
            self.assertTrue((chunks["state"] == 2).all())
            covered = np.concatenate([np.arange(c["first"], c["first"] + c["count"]) for c in chunks])
            np.testing.assert_array_equal(np.sort(covered), np.arange(tasks))
            for number, chunk in enumerate(chunks):
                own = classes[chunk["class"]]
                self.assertEqual(chunk["first"],
                                 own["first_position"] + (number - own["first_chunk"]) * own["tasks_per_chunk"])
            for one in classes:  # rising within a class
                at = slice(one["first_position"], one["first_position"] + one["tasks"])
                self.assertTrue((np.diff(order[at]) > 0).all())
            return sheaf["status"][:], [n.decode() for n in bytes(sheaf["names"][:]).split(b"\0")[:-1]], classes

    def test_results_under_their_names(self):
        outcome = self.sheaf("run", "inv", "s.h5:/beams/*/data", "-o", "out.h5")
        self.assertIn(f"{len(SIZES)} tasks of {len(set(SIZES))} shapes: (1, 1) f64 to (130, 130) f64", outcome.out)
        status, names, classes = self.check_records("out.h5", len(SIZES))
        self.assertEqual(status.tolist(), [1] * len(SIZES))
        self.assertEqual(names, [f"b{i}" for i in range(len(SIZES))])
        self.assertEqual(len(classes), len(set(SIZES)))
        with h5py.File(self.path("out.h5")) as file:
            self.assertEqual(set(file["result"]), set(names))
            for i, square in enumerate(self.squares):
                np.testing.assert_allclose(file[f"result/b{i}"][:], np.linalg.inv(square), rtol=1e-9, atol=1e-13)
        shown = self.sheaf("info", "out.h5").out
        self.assertIn(f"{len(SIZES)} of {len(SIZES)} tasks done", shown)
        self.assertIn(f"{len(SIZES)} datasets", shown)

    def test_bits_equal_however_it_is_run(self):
        """As several nodes, in reverse, with wide tasks: the same order, chunks and results."""
        self.sheaf("run", "gram", "s.h5:/beams/*/rhs", "-o", "one.h5")
        for number, (node_ranks, extra) in enumerate((("1", ["--order", "reverse"]), ("2", []), ("", ["--layout", "1x1"]))):
            if node_ranks:
                self.environment["SHEAF_NODE_RANKS"] = node_ranks
            self.sheaf("run", "gram", "s.h5:/beams/*/rhs", "-o", f"other{number}.h5", *extra)
            self.environment.pop("SHEAF_NODE_RANKS", None)
            self.check_records(f"other{number}.h5", len(SIZES))
            with h5py.File(self.path("one.h5")) as one, h5py.File(self.path(f"other{number}.h5")) as other:
                # (3, 3) whatever the number of rows: one stack, in the order of the tasks
                np.testing.assert_array_equal(one["result"][:], other["result"][:])
                np.testing.assert_allclose(one["result"][:], np.stack([r.T @ r for r in self.right]), rtol=1e-12)

    def test_equal_outputs_are_stacked(self):
        """Scalars of unequal matrices are one array; of svd's outputs each is what it can be."""
        self.sheaf("run", "slogdet", "s.h5:/beams/*/data", "-o", "det.h5")
        with h5py.File(self.path("det.h5")) as file:
            sign, log = np.array([np.linalg.slogdet(a) for a in self.squares]).T
            np.testing.assert_array_equal(file["sign"][:], sign)
            np.testing.assert_allclose(file["logabsdet"][:], log, rtol=1e-12, atol=1e-12)
        self.sheaf("run", "svd", "s.h5:/beams/*/data", "--outputs", "s,vt", "-o", "svd.h5")
        with h5py.File(self.path("svd.h5")) as file:
            self.assertNotIn("u", file)
            for i, square in enumerate(self.squares):
                np.testing.assert_allclose(file[f"s/b{i}"][:], np.linalg.svd(square, compute_uv=False), rtol=1e-11)
                self.assertEqual(file[f"vt/b{i}"].shape, square.shape)

    def test_two_sets_a_stack_and_a_shared_operand(self):
        self.sheaf("run", "solve", "s.h5:/beams/*/data", "s.h5:/beams/*/rhs", "-o", "two.h5")
        with h5py.File(self.path("two.h5")) as file:
            for i, (square, right) in enumerate(zip(self.squares, self.right)):
                np.testing.assert_allclose(file[f"result/b{i}"][:], scipy.linalg.solve(square, right), rtol=1e-9)
        with h5py.File(self.path("m.h5"), "w") as file:
            file["stack"] = np.arange(len(SIZES) * 6.0).reshape(len(SIZES), 3, 2)
            file["packed"] = file["stack"][:]
            file.create_dataset("gzip", data=file["stack"][:], chunks=(4, 3, 2), compression="gzip")
            file["one"] = np.arange(12.0).reshape(3, 4)
        for stack in "stack", "gzip":
            self.sheaf("run", "matmul", "s.h5:/beams/*/rhs", f"m.h5:/{stack}", "-o", f"{stack}.h5")
            with h5py.File(self.path(f"{stack}.h5")) as file, h5py.File(self.path("m.h5")) as given:
                for i, right in enumerate(self.right):
                    np.testing.assert_allclose(file[f"result/b{i}"][:], right @ given["stack"][i], rtol=1e-12)
        self.sheaf("run", "matmul", "s.h5:/beams/*/rhs", "m.h5:/one", "-o", "shared.h5")
        with h5py.File(self.path("shared.h5")) as file:
            for i, right in enumerate(self.right):
                np.testing.assert_allclose(file[f"result/b{i}"][:], right @ np.arange(12.0).reshape(3, 4), rtol=1e-12)

    def test_names_of_several_pieces_and_lists(self):
        for night in "n1", "n2":
            with h5py.File(self.path(f"{night}.h5"), "w") as file:
                for i in range(3):
                    file[f"b{i}"] = self.squares[i + 2]
        self.sheaf("run", "inv", "n*.h5:/*", "-o", "out.h5")
        with h5py.File(self.path("out.h5")) as file:
            for night in "1", "2":
                for i in range(3):
                    np.testing.assert_allclose(file[f"result/{night}/b{i}"][:], np.linalg.inv(self.squares[i + 2]),
                                               rtol=1e-9)
        self.path("list.txt").write_text("n2.h5:/b2\nn1.h5:/b0\nn1.h5:/b1\n")
        self.sheaf("run", "inv", "@list.txt", "-o", "listed.h5")
        _, names, _ = self.check_records("listed.h5", 3)
        self.assertEqual(names, ["n2.h5:_b2", "n1.h5:_b0", "n1.h5:_b1"])
        with h5py.File(self.path("listed.h5")) as file:
            np.testing.assert_allclose(file["result/n1.h5:_b1"][:], np.linalg.inv(self.squares[3]), rtol=1e-9)

    def test_failures_are_named(self):
        """A singular task and one that cannot be read among many classes; the rest is right."""
        for i, square in enumerate(self.squares):
            with h5py.File(self.path(f"f{i}.h5"), "w") as file:
                file["data"] = square if i != 4 else np.zeros_like(square)
        self.path("f6.h5").write_text("no HDF5 at all")
        outcome = self.sheaf("run", "inv", "f*.h5:/data", "-o", "out.h5", code=1)
        status, names, _ = self.check_records("out.h5", len(SIZES))
        self.assertEqual(status.tolist(), [2 if i == 4 else 8 if i == 6 else 1 for i in range(len(SIZES))])
        self.assertRegex(outcome.err, r"f4\.h5:/data +singular")
        self.assertRegex(outcome.err, r"f6\.h5.*unreadable")
        with h5py.File(self.path("out.h5")) as file:
            for i, square in enumerate(self.squares):
                result = file[f"result/{names[i]}"][:]
                if i in (4, 6):
                    self.assertTrue(np.isnan(result).all())
                else:
                    np.testing.assert_allclose(result, np.linalg.inv(square), rtol=1e-9, atol=1e-13)

    def test_pairs_by_position(self):
        """Two lists go line by line; globs of unlike names with --pair order only."""
        with h5py.File(self.path("p.h5"), "w") as file:
            for i in range(4):
                file[f"a/x{i}"], file[f"b/y{i}"] = self.squares[i], self.right[i]
        outcome = self.sheaf("run", "solve", "p.h5:/a/*", "p.h5:/b/*", "-o", "none.h5", code=BAD_DATA)
        self.assertIn("no partner", outcome.complaints()[0])
        self.assertIn("--pair order", outcome.complaints()[0])
        self.sheaf("run", "solve", "p.h5:/a/*", "p.h5:/b/*", "--pair", "order", "-o", "order.h5")
        order = [3, 0, 2]
        self.path("a.txt").write_text("".join(f"p.h5:/a/x{i}\n" for i in order))
        self.path("b.txt").write_text("".join(f"p.h5:/b/y{i}\n" for i in order))
        self.sheaf("run", "solve", "@a.txt", "@b.txt", "-o", "lists.h5")
        with h5py.File(self.path("order.h5")) as file, h5py.File(self.path("lists.h5")) as lists:
            for i in range(4):
                expected = scipy.linalg.solve(self.squares[i], self.right[i])
                np.testing.assert_allclose(file[f"result/x{i}"][:], expected, rtol=1e-9)
                if i in order:
                    np.testing.assert_allclose(lists[f"result/p.h5:_a_x{i}"][:], expected, rtol=1e-9)

    def test_refusals(self):
        with h5py.File(self.path("r.h5"), "w") as file:
            file["a/x0"], file["a/x1"] = np.ones((2, 3)), np.ones((4, 5))
            file["b/x0"], file["b/x1"] = np.ones((3, 2)), np.ones((6, 2))
            file["stack"] = np.ones((7, 3, 2))
            file["grid"] = np.ones((2, 2, 3, 2))
        for words, arguments in (
            (["r.h5:/a/x1", "r.h5:/b/x1", "5", "6"], ["matmul", "r.h5:/a/*", "r.h5:/b/*"]),
            (["r.h5:/a/x0 (2, 3): m is both 2 and 3"], ["inv", "r.h5:/a/*"]),
            (["r.h5:/a/*", "r.h5:/stack"], ["matmul", "r.h5:/a/*", "r.h5:/stack"]),
            (["r.h5:/a/*", "unequal shapes"], ["matmul", "r.h5:/a/*", "r.h5:/grid"]),
        ):
            with self.subTest(arguments):
                outcome = self.sheaf("run", *arguments, "-o", "none.h5", code=BAD_DATA)
                self.assertEqual(len(outcome.complaints()), 1, str(outcome))
                for word in words:
                    self.assertIn(word, outcome.complaints()[0])
                self.assertFalse(self.path("none.h5").exists())

    def test_many_classes(self):
        """More classes than the short way of sending a plan takes; one task each."""
        with h5py.File(self.path("many.h5"), "w") as file:
            for i in range(300):
                file[f"v{i}"] = np.arange(i + 1.0)
        self.environment["SHEAF_NODE_RANKS"] = "1"
        self.sheaf("run", "exp", "many.h5:/*", "-o", "out.h5")
        _, _, classes = self.check_records("out.h5", 300)
        self.assertEqual(len(classes), 300)
        with h5py.File(self.path("out.h5")) as file:
            for i in range(300):
                np.testing.assert_allclose(file[f"result/v{i}"][:], np.exp(np.arange(i + 1.0)), rtol=1e-14)

    def test_dry_run(self):
        outcome = self.sheaf("run", "inv", "s.h5:/beams/*/data", "--dry-run")
        self.assertIn(f"class 1 of {len(set(SIZES))}: ", outcome.out)


if __name__ == "__main__":
    unittest.main()
