"""Every kernel in every type that it takes, from HDF5 to HDF5, against NumPy and SciPy; and tasks that fail.

The kernels' tests stand in kernel_*.py by family, the thresholds in kernel_test.py.
"""
import unittest

import numpy as np

from kernel_elements import Elements
from kernel_products import Products
from kernel_solving import Factors, Solving
from kernel_spectra import Numbers, Spectra
from kernel_test import LEAD, TASK_NOT_POSITIVE_DEFINITE, TASK_OVERFLOW, TWO_TYPES, KernelTest, random_tasks
from sheaf_test import TASK_DONE, TASK_NOT_FINITE, TASK_SINGULAR


class List(KernelTest):
    def test_every_kernel_is_tested_here(self):
        lines = self.sheaf("info", ranks=0).out.split("\n\n")[1].splitlines()[1:]
        self.assertGreater(len(lines), 20)
        tested = {name[5:]: family for family in FAMILIES for name in dir(family) if name.startswith("test_")}
        for name, signature, *_ in map(str.split, lines):
            with self.subTest(name):
                self.assertTrue(name in tested, f"no test_{name}")
                self.assertEqual(self.describe(name).signature, signature)
                for parameter in self.describe(name).parameters:
                    self.assertTrue(f"{name}_{parameter}" in tested, f"no test_{name}_{parameter}")


class FailedTasks(KernelTest):
    """A task that cannot be computed has its status, and NaN (0 for integers) in every output; the exit code is 1."""

    BAD = (0, 2), (1, 4)  # tasks
    GOOD = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 1, 0]], bool)

    def fail_tasks(self, kernel, operands, status, outputs=("same",), info=None, types=TWO_TYPES):
        def check(run):
            self.assertSameNumbers(run.status.reshape(LEAD), np.where(self.GOOD, TASK_DONE, status))
            if info is not None:
                self.assertSameNumbers(run.info.reshape(LEAD), np.where(self.GOOD, 0, info))
            for output in run.outputs:
                if output.dtype.kind in "iu":
                    self.assertZero(output[~self.GOOD], "a failed task's integers")
                else:
                    self.assertTrue(np.isnan(output[~self.GOOD]).all(), "a failed task's numbers")
                    self.assertFalse(np.isnan(output[self.GOOD]).any(), "a good task's numbers")

        self.each(kernel, operands, check, outputs=outputs, code=1, types=types)

    def with_bad(self, dtype, *core, value=np.nan, seed=1):
        """Random tasks, one element of the bad ones spoilt."""
        tasks = random_tasks(dtype, *core, seed=seed)
        for task in self.BAD:
            tasks[task].flat[-1] = value
        return tasks

    def test_not_finite(self):
        cases = {"inv": ("same",), "pinv": ("same",), "cholesky": ("same",), "qr": ("same", "same"),
                 "lu": ("real", "same", "same"), "svd": ("same", "real", "same"), "svdvals": ("real",),
                 "eigh": ("real", "same"), "eigvalsh": ("real",), "eig": ("complex", "complex"),
                 "eigvals": ("complex",), "det": ("same",), "slogdet": ("same", "real"), "norm": ("real",),
                 "cond": ("real",), "matrix_rank": ("i64",)}
        for number, (kernel, outputs) in enumerate(cases.items()):
            value = (np.nan, np.inf, -np.inf)[number % 3]
            self.fail_tasks(kernel, lambda dtype: (self.definite(self.with_bad(dtype, 6, 6, value=value), kernel),),
                            TASK_NOT_FINITE, outputs, info=0,
                            types=(TWO_TYPES, ("f64", "c64"))[number % 2])

    @staticmethod
    def definite(a, kernel):
        """cholesky's good tasks are positive definite."""
        return a + 30 * np.eye(a.shape[-1], dtype=a.dtype) if kernel == "cholesky" else a

    def test_not_finite_of_two(self):
        cases = {"solve": ((6, 6), (6, 3), ("same",)), "solve1": ((6, 6), (6,), ("same",)),
                 "lstsq": ((8, 5), (8, 2), Solving.LSTSQ), "lstsq1": ((8, 5), (8,), Solving.LSTSQ)}
        for kernel, (a, b, outputs) in cases.items():
            self.fail_tasks(kernel, lambda dtype: (self.with_bad(dtype, *a), random_tasks(dtype, *b)), TASK_NOT_FINITE,
                            outputs, info=0)
            self.fail_tasks(kernel, lambda dtype: (random_tasks(dtype, *a), self.with_bad(dtype, *b, value=np.inf)),
                            TASK_NOT_FINITE, outputs, info=0)

    def with_zero_row(self, dtype):
        tasks = random_tasks(dtype, 6, 6)
        for task in self.BAD:
            tasks[task][3] = 0
        return tasks

    def test_singular(self):
        """A row of zeros: the pivot of its number is 0 where LAPACK takes rows for columns."""
        self.fail_tasks("inv", lambda dtype: (self.with_zero_row(dtype),), TASK_SINGULAR, info=4)
        for kernel, core in (("solve", (6, 2)), ("solve1", (6,))):
            self.fail_tasks(kernel, lambda dtype: (self.with_zero_row(dtype), random_tasks(dtype, *core)),
                            TASK_SINGULAR, info=4 if kernel == "solve1" else None)

    def test_not_positive_definite(self):
        def operands(dtype):
            a = np.broadcast_to(4 * np.eye(6, dtype=dtype), (*LEAD, 6, 6)).copy()
            for task in self.BAD:
                a[task][4, 4] = -1
            return a,

        self.fail_tasks("cholesky", operands, TASK_NOT_POSITIVE_DEFINITE, info=5)

    def test_overflow(self):
        """The sum of a u64 operand, of squares; add and multiply overflow in their own tests."""
        def operands(dtype, count):
            tasks = np.zeros((*LEAD, 5), dtype)
            for task in self.BAD:
                tasks[task] = np.iinfo(dtype).max
            return (tasks, np.zeros_like(tasks))[:count]

        self.fail_tasks("sum", lambda dtype: operands(dtype, 1), TASK_OVERFLOW, ("i64",), types=["i64", "u64"])
        self.fail_tasks("sqdiff", lambda dtype: operands(dtype, 2), TASK_OVERFLOW, ("i64",),
                        types=["i32", "i64", "u32", "u64"])


FAMILIES = (Products, Solving, Factors, Spectra, Numbers, Elements)

if __name__ == "__main__":
    unittest.main()
