"""Operands with different leading axes go together by NumPy's rule: what comes out is what NumPy broadcasts."""
import unittest

import h5py
import numpy as np
from sheaf_test import BAD_DATA, USAGE, SheafTest, product_and_bound, random_array, regular_array


def packed(file, name, data, chunks, **how):
    return file.create_dataset(name, data=data, chunks=chunks, compression="gzip", shuffle=True, **how)


class Arrays(SheafTest):
    def check_product(self, a, b, *operands):
        expected, bound = product_and_bound(a, b)
        self.assertWithin(self.compute("matmul", *operands), expected, bound, " ".join(operands))

    def test_matmul(self):
        """Leading axes of every kind of pair, in plain and in packed datasets."""
        leads = (((1,), (5, 1)), ((5, 1), (1,)), ((4, 1), (3,)), ((3,), (4, 1)), ((6,), (2, 3, 6)), ((2, 1, 3), (4, 1)),
                 ((), (2, 3)), ((1, 1, 1), (7,)), ((5, 1, 2), (1, 4, 1)), ((2, 3), (1, 3)))
        for i, (one, other) in enumerate(leads):
            with self.subTest(f"{one} {other}"):
                a, b = random_array((*one, 4, 3), np.float64, i), random_array((*other, 3, 5), np.float64, 50 + i)
                with h5py.File(self.path("in.h5"), "w") as file:
                    file["a"] = a
                    packed(file, "b", b.astype(">f8"), tuple(min(n, 2) for n in b.shape))
                self.check_product(a, b, "in.h5:/a", "in.h5:/b")
                with h5py.File(self.path("out.h5")) as file:
                    lead = np.broadcast_shapes(one, other)
                    self.assertEqual(tuple(file["sheaf"].attrs["lead"]), lead)
                    self.assertEqual(file["sheaf"].attrs["tasks"], np.prod(lead, dtype=int))
                    for row, own in zip(file["sheaf/operands"], (one, other)):
                        self.assertEqual(tuple(row["lead"][:row["lead_ndim"]]), own)

    def test_add_of_all_pairs(self):
        """Chunks of ours that begin amid what an entry is used for, in several types; three operands' worth of axes."""
        a, b = random_array((300, 1, 3), np.float64, 1), random_array((211, 3), np.float64, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["a"], file["b"] = a, b
            packed(file, "packed_a", a.astype("f4"), (70, 1, 2))
            packed(file, "packed_b", b.astype(">f4"), (9, 3))
        self.assertSameBits(self.compute("add", "in.h5:/a", "in.h5:/b"), a + b)
        self.assertSameBits(self.compute("add", "in.h5:/b", "in.h5:/packed_a"), b + a.astype("f4"))
        self.assertSameBits(self.compute("add", "in.h5:/packed_a", "in.h5:/packed_b"), a.astype("f4") + b.astype("f4"))

    def test_solve(self):
        a, b = regular_array((6, 1, 5, 5), np.complex128, 1), random_array((4, 5, 2), np.complex128, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            packed(file, "a", a, (2, 1, 5, 3))
            file["b"] = b
        found = self.compute("solve", "in.h5:/a", "in.h5:/b")
        self.assertEqual(found.shape, (6, 4, 5, 2))
        expected = np.linalg.solve(np.broadcast_to(a, (6, 4, 5, 5)), np.broadcast_to(b, (6, 4, 5, 2)))
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    def test_slices(self):
        a, b = random_array((10, 1, 4, 3), np.float64, 1), random_array((9, 3, 2), np.float64, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["a"] = a
            packed(file, "b", b, (4, 3, 2))
        self.check_product(a[::-2], b[1:8:3], "in.h5:/a[::-2]", "in.h5:/b[1:8:3]")
        self.check_product(a[2:3], b, "in.h5:/a[2:3]", "in.h5:/b")

    def test_chunks_are_made_of_whole_ones_of_hdf5(self):
        a, b = random_array((200, 1, 32, 32), np.float64, 1), random_array((5, 32, 32), np.float64, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            packed(file, "a", a, (10, 1, 32, 32))
            file["b"] = b
        self.check_product(a, b, "in.h5:/a", "in.h5:/b")
        with h5py.File(self.path("out.h5")) as file:
            # 2 MiB hold 85 tasks of 24 KiB; 10 entries that are packed together are used by 50
            self.assertEqual(file["sheaf/classes"]["tasks_per_chunk"][0], 50)


class OtherOperands(SheafTest):
    def test_generated(self):
        """With leading axes they are stretched; without, each task has its own; shared ones are shared."""
        b = random_array((3, 6, 5, 2), np.float64, 1)
        self.write("in.h5", b=b)
        own = self.compute("copy", "random:3x4x5")
        expected, bound = product_and_bound(own[:, None], b)
        self.assertWithin(self.compute("matmul", "random:3x1x4x5", "in.h5:/b"), expected, bound)
        one = self.compute("copy", "random:1x4x5")
        expected, bound = product_and_bound(one, b)
        self.assertWithin(self.compute("matmul", "random:1x4x5", "in.h5:/b"), expected, bound)
        each = self.compute("copy", "random:4x5", "--count", 18).reshape(3, 6, 4, 5)
        expected, bound = product_and_bound(each, b)
        self.assertWithin(self.compute("matmul", "random:4x5", "in.h5:/b"), expected, bound)
        self.assertWithin(self.compute("matmul", "random:4x5", "in.h5:/b", "--count", 18), expected, bound)
        shared = self.compute("copy", "random:4x5:shared")
        expected, bound = product_and_bound(shared, b)
        self.assertWithin(self.compute("matmul", "random:4x5:shared", "in.h5:/b"), expected, bound)

    def test_count_is_an_axis_where_there_is_one_entry(self):
        w = random_array((1, 1, 5, 2), np.float64, 1)
        self.write("in.h5", w=w)
        each = self.compute("copy", "random:4x5", "--count", 6)
        expected, bound = product_and_bound(each, w)
        self.assertEqual(expected.shape, (1, 6, 4, 2))
        self.assertWithin(self.compute("matmul", "random:4x5", "in.h5:/w", "--count", 6), expected, bound)
        expected, bound = product_and_bound(each[:1], w)
        self.assertWithin(self.compute("matmul", "random:4x5", "in.h5:/w"), expected, bound)

    def names(self):
        with h5py.File(self.path("out.h5")) as file:
            return [name.decode() for name in bytes(file["sheaf/names"][:]).split(b"\0")[:-1]]

    def test_sets(self):
        """A member for every task of its column; a set of one for all."""
        a, b = random_array((4, 3, 5), np.float64, 1), random_array((2, 1, 5, 6), np.float64, 2)
        with h5py.File(self.path("in.h5"), "w") as file:
            file["b"] = b
            for i in range(4):
                file[f"s/x{i}"] = a[i]
        expected, bound = product_and_bound(a, b)
        self.assertWithin(self.compute("matmul", "in.h5:/s/*", "in.h5:/b"), expected, bound)
        self.assertEqual(self.names(), ["x0", "x1", "x2", "x3"] * 2)
        expected, bound = product_and_bound(a[2:3], b)
        self.assertWithin(self.compute("matmul", "in.h5:/s/*2", "in.h5:/b"), expected, bound)
        self.assertEqual(len(self.names()), 2)

    def test_a_set_of_one_with_unequal_shapes(self):
        matrices = [random_array((n, 5), np.float64, n) for n in (3, 7, 3, 1, 7)]
        w = random_array((5, 2), np.float64, 50)
        self.write("in.h5", w=w, **{f"a{i}": a for i, a in enumerate(matrices)})
        self.path("all.txt").write_text("".join(f"in.h5:/a{i}\n" for i in range(len(matrices))))
        self.path("one.txt").write_text("in.h5:/w\n")
        self.sheaf("run", "matmul", "@all.txt", "@one.txt", "-o", "out.h5")
        for i, a in enumerate(matrices):
            expected, bound = product_and_bound(a, w)
            self.assertWithin(self.read("out.h5", f"result/in.h5:_a{i}"), expected, bound)

    def test_a_member_that_cannot_be_read_fails_its_tasks(self):
        a = random_array((3, 2, 2), np.float64, 1)
        for i in range(3):
            self.write(f"s{i}.h5", data=a[i])
        self.write("in.h5", b=np.ones((50, 1, 2, 2)))
        self.path("s1.h5").write_text("no HDF5 at all")
        outcome = self.sheaf("run", "matmul", "s*.h5:/data", "in.h5:/b", "-o", "out.h5", code=1)
        with h5py.File(self.path("out.h5")) as file:
            np.testing.assert_array_equal(file["sheaf/status"][:].reshape(50, 3), [[1, 8, 1]] * 50)
            np.testing.assert_allclose(file["result"][:, [0, 2]], (a @ np.ones((50, 1, 2, 2)))[:, [0, 2]], rtol=1e-14)
        self.assertIn("s1.h5:/data", outcome.err)
        self.assertIn("task 4 [1, 1]  unreadable", outcome.err)


class Refusals(SheafTest):
    def refused(self, code, message, *arguments):
        outcome = self.sheaf("run", *arguments, "-o", "no.h5", code=code)
        self.assertEqual(len(outcome.complaints()), 1, outcome)
        self.assertIn(message, outcome.complaints()[0])
        self.assertFalse(self.path("no.h5").exists())

    def test_what_numpy_refuses_is_refused(self):
        self.write("in.h5", a=np.ones((5, 1, 3, 3)), b=np.ones((4, 3, 3)), c=np.ones((5, 3, 3, 3)))
        rule = "by NumPy's rule their leading axes, aligned at the right, must be equal or 1"
        self.refused(BAD_DATA, f"in.h5:/b over (4), in.h5:/c over (5, 3); {rule}", "matmul", "in.h5:/b", "in.h5:/c")
        self.refused(BAD_DATA, f"in.h5:/b over (4), in.h5:/c over (5, 3); {rule}", "multi_dot", "in.h5:/a", "in.h5:/b",
                     "in.h5:/c")
        self.refused(BAD_DATA, "in.h5:/a over (5, 1), random:4x1x3x3 over (4, 1)", "matmul", "in.h5:/a",
                     "random:4x1x3x3")
        self.refused(USAGE, "--count 5, but there are 20 tasks: in.h5:/a over (5, 1), in.h5:/b over (4); leave --count "
                     "out", "matmul", "in.h5:/a", "in.h5:/b", "--count", 5)
        self.refused(USAGE, "--count 5, but there are 4 tasks: in.h5:/b over (4); leave --count out", "inv", "in.h5:/b",
                     "--count", 5)
        large = "ones:1000000000x1x1x1", "ones:10000000000x1x1"
        self.refused(BAD_DATA, f"{large[0]} over (1000000000, 1), {large[1]} over (10000000000): no tasks, or more than "
                     "64 bits can count", "matmul", *large)


if __name__ == "__main__":
    unittest.main()
