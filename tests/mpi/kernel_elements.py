"""Element by element, sums of all, and arrays as they are, in every type, against NumPy and SciPy."""
import math

import h5py
import numpy as np
import scipy.special

from kernel_test import (LEAD, TASK_OVERFLOW, TWO_TYPES, KernelTest, any_numbers, double, epsilon, random_tasks,
                         real_type, wide)
from sheaf_test import BAD_DATA, CHUNK_DONE, TASK_DONE, USAGE


SPECIAL = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan]
LENGTHS = [(3001,), (1,)]  # blocks of 1024


def with_special(a):
    """Real numbers, the first of them special where there is room."""
    if a.dtype.kind == "f" and a.shape[-1] > len(SPECIAL):
        a[..., :len(SPECIAL)] = SPECIAL
    return a


class Elements(KernelTest):
    """Element by element, and sums of all."""

    def check_arithmetic(self, run, operation):
        """Integers exactly, or the task fails where one needs more bits. Real numbers are rounded once, as NumPy's."""
        a, b = run.inputs
        found = run.outputs[0]
        if run.dtype.kind in "iu":
            exact = operation(a.astype(object), b.astype(object))
            limits = np.iinfo(run.dtype)
            fits = ((exact >= limits.min) & (exact <= limits.max)).all(axis=-1)
            self.assertSameNumbers(run.status.reshape(LEAD), np.where(fits, TASK_DONE, TASK_OVERFLOW))
            self.assertSameNumbers(found[fits], exact[fits])
            self.assertZero(found[~fits], "where the result does not fit")
            self.assertEqual(fits.sum(), 9, "of 10 tasks, one overflows")
        elif run.dtype.kind == "f" or operation is np.add:
            self.assertSameNumbers(found, operation(a, b))
        else:
            a, b = wide(a), wide(b)
            self.assertWithin(found, operation(a, b), 2 * epsilon(run.dtype) * np.abs(a) * np.abs(b))

    def integers_that_fit(self, operation, dtype, k):
        """Operands whose results just fit, and in the last task one that does not, by one."""
        limits = np.iinfo(dtype)
        a, b = any_numbers(dtype, k), any_numbers(dtype, k, seed=2)
        if operation is np.add:
            a, b = a // 2, b // 2
            a[0, 0, 0], b[0, 0, 0] = limits.max - 3, 3
            a[0, 1, 0], b[0, 1, 0] = limits.min, 0
            a[-1, -1, -1], b[-1, -1, -1] = limits.max - 3, 4
        else:
            half = 2 ** (4 * dtype.itemsize - 1)
            a, b = a % half, b % half
            a[0, 0, 0], b[0, 0, 0] = limits.max, 1
            a[0, 1, 0], b[0, 1, 0] = limits.max // 3, 3
            a[0, 2, 0], b[0, 2, 0] = limits.min // 2, 2
            a[-1, -1, -1], b[-1, -1, -1] = limits.max // 3 + 1, 3
        return a, b

    def each_sort(self, kernel, operands, check, shapes, of_integers, of_others):
        """Of integers each() has other arguments than of the other types. At several ranks there is one type."""
        for are_integers, arguments in (True, of_integers), (False, of_others):
            types = [name for name in self.types(kernel) if (name[0] in "iu") == are_integers]
            if types:
                self.each(kernel, operands, check, shapes, types=types, **arguments)

    def each_arithmetic(self, kernel, operation):
        def operands(dtype, k):
            if dtype.kind in "iu":
                return self.integers_that_fit(operation, dtype, k)
            return with_special(random_tasks(dtype, k)), random_tasks(dtype, k, seed=2)

        self.each_sort(kernel, operands, lambda run: self.check_arithmetic(run, operation), [(3001,)], {"code": 1}, {})

    def test_add(self):
        self.each_arithmetic("add", np.add)

    def test_multiply(self):
        self.each_arithmetic("multiply", np.multiply)

    def check_function(self, run, function, ulps=1):
        """Within `ulps` of the true value, complex numbers in norm within 4; special values as NumPy's or SciPy's."""
        a, found = run.inputs[0], run.outputs[0]
        expected = function(wide(a)) if function is not inverse_survival else function(double(a))
        known = np.isfinite(expected.astype(run.dtype)) & np.isfinite(expected)
        self.assertSameNumbers(found[~known], expected[~known].astype(run.dtype))
        size = np.abs(expected[known]).astype(real_type(run.dtype))
        ulps = 4 if run.dtype.kind == "c" else ulps
        self.assertWithin(found[known], expected[known], ulps * np.spacing(size))

    def numbers_for(self, scale):
        return lambda dtype, k: (with_special(random_tasks(dtype, k) * dtype.type(scale)),)

    def test_exp(self):
        self.each("exp", self.numbers_for(5), lambda run: self.check_function(run, np.exp), LENGTHS)
        self.each("exp", self.numbers_for(400), lambda run: self.check_function(run, np.exp), [(3001,)],
                  types=["f32", "f64"])

    def test_sin(self):
        self.each("sin", self.numbers_for(5), lambda run: self.check_function(run, np.sin), LENGTHS)
        self.each("sin", self.numbers_for(1e7), lambda run: self.check_function(run, np.sin), [(3001,)],
                  types=["f32", "f64"])

    def test_isf(self):
        """SciPy's own error, in double, is allowed as much as ours. From f64's least numbers on."""
        def operands(dtype, k):
            generator = np.random.default_rng(1)
            values = np.where(generator.random((*LEAD, k)) < 0.5, generator.random((*LEAD, k)),
                              2.0 ** (real_type(dtype).type(generator.random((*LEAD, k))) * np.finfo(dtype).minexp))
            return with_special(values.astype(dtype)),

        self.each("isf", operands,
                  lambda run: self.check_function(run, inverse_survival, 16 if run.type == "f64" else 1), LENGTHS)

    def check_sum(self, run, mean=False):
        """Integers exactly. Floating-point numbers add in f64: (37 + log2(1 + k / 1024)) 2^-53 of the sum of |a|."""
        a, found = run.inputs[0], run.outputs[0]
        k = a.shape[-1]
        if run.dtype.kind in "iu":
            exact = a.astype(object).sum(axis=-1)
            expected = exact.astype(float) / k if mean else exact
            self.assertSameNumbers(found, expected)
            return
        error = (37 + np.log2(1 + k / 1024)) * 2.0 ** -53
        for part in (np.real, np.imag) if run.dtype.kind == "c" else (np.real,):
            for task in np.ndindex(LEAD):
                values = double(part(a[task])).tolist()
                exact, size = math.fsum(values), math.fsum(map(abs, values))
                divisor = k if mean else 1
                roundings = (2 * 2.0 ** -53 + epsilon(run.dtype) / 2 * 1.01) * abs(exact)
                bound = (error * size + roundings) / divisor
                self.assertLessEqual(abs(float(part(found[task])) - exact / divisor), bound)

    def sum_operands(self, dtype, k):
        """No sum of 64-bit integers leaves i64."""
        numbers = any_numbers(dtype, k)
        return numbers // (2 * k) if dtype.kind in "iu" and dtype.itemsize == 8 else numbers,

    def each_by_output(self, kernel, operands, check, integer_type, shapes=LENGTHS):
        self.each_sort(kernel, operands, check, shapes, {"outputs": (integer_type,)}, {})

    def test_sum(self):
        self.each_by_output("sum", self.sum_operands, self.check_sum, "i64", [(3001,)])

    def test_mean(self):
        """Of integers no task fails, however large their sum."""
        self.each_by_output("mean", lambda dtype, k: (any_numbers(dtype, k),),
                            lambda run: self.check_sum(run, True), "f64")

    def test_sqdiff(self):
        """No difference and no square of integers wraps. Floating-point numbers: (40 + log2(1 + k / 1024)) 2^-53."""
        def operands(dtype, k):
            a, b = any_numbers(dtype, k), any_numbers(dtype, k, seed=2)
            if dtype.kind in "iu" and dtype.itemsize > 2:  # k differences of 2^24 are squared
                middle = a.dtype.type(np.iinfo(dtype).max // 2)
                a, b = middle + a % 2 ** 24, middle + b % 2 ** 24
            return a, b

        def check(run):
            exact = run.dtype.kind in "iu"
            a, b = (x.astype(object) if exact else wide(x) for x in run.inputs)
            expected = ((a - b) ** 2).sum(axis=-1)
            if exact:
                self.assertSameNumbers(run.outputs[0], expected)
            else:
                error = (40 + np.log2(1 + a.shape[-1] / 1024)) * 2.0 ** -53
                error += epsilon(run.dtype) / 2 * 1.01 if run.type == "f32" else 0
                self.assertWithin(run.outputs[0], expected, error * expected)

        self.each_by_output("sqdiff", operands, check, "i64", [(3001,)])

    def test_fill(self):
        self.each("fill", lambda dtype: (any_numbers(dtype, 3001),),
                  lambda run: self.assertZero(run.outputs[0], "fill"))

    def test_fill_value(self):
        def check(run):
            self.assertSameBits(run.outputs[0], np.full_like(run.inputs[0], run.parameters["value"]))

        self.each("fill", lambda dtype: (any_numbers(dtype, 3001),), check, value=101)
        self.each("fill", lambda dtype: (any_numbers(dtype, 7),), check, types=TWO_TYPES, value=-1.7)
        self.write("in.h5", a=np.ones((3, 2), np.uint8))
        for value in (1.5, -1, 256):
            self.sheaf("run", "fill", "in.h5:/a", "-p", f"value={value}", "-o", "no.h5", code=BAD_DATA)

    def test_copy(self):
        self.each("copy", lambda dtype: (any_numbers(dtype, 9, 5),),
                  lambda run: self.assertSameBits(run.outputs[0], run.inputs[0]))

    def test_noop(self):
        """No output: of a task its status, info and record are left."""
        self.each("noop", lambda dtype: (any_numbers(dtype, 7),), lambda run: None, outputs=())
        self.assertIn("no output", self.sheaf("run", "noop", "ones:3", "--count", 9, "-o", "one.h5").out)
        self.assertIn("9 of 9 tasks done", self.sheaf("info", "one.h5", ranks=0).out)
        self.assertRegex(self.sheaf("info", "noop", ranks=0).out, r"(?m)^  outputs +none$")
        self.assertRegex(self.sheaf("run", "noop", "ones:3", "--count", 9, "--dry-run", ranks=0).out,
                         r"(?m)^class 1 of 1: 9 tasks of \(3\) f64 · a task: ")
        refused = self.sheaf("run", "noop", "ones:3", "-n", 9, "--outputs", "result", "-o", "no.h5", code=USAGE)
        self.assertIn("has no output", refused.complaints()[0])

    def test_noop_flops(self):
        """What tasks claim to cost decides how many share a chunk."""
        for flops, chunks in ((0, [16384, 3616]), (1e6, 20 * [1000]), (1e9, 20000 * [1])):
            self.sheaf("run", "noop", "ones:1:shared", "--count", 20000, "--param", f"flops={flops}", "-o", "out.h5",
                       "--overwrite")
            with h5py.File(self.path("out.h5"), "r") as file:
                self.assertEqual(file["sheaf/chunks"]["count"].tolist(), chunks)
                self.assertTrue((file["sheaf/chunks"]["state"] == CHUNK_DONE).all())
                self.assertTrue((file["sheaf/status"][...] == TASK_DONE).all())


def inverse_survival(q):
    """As scipy.stats.norm.isf, and NaN outside [0, 1]."""
    return -scipy.special.ndtri(q)
