"""Equations, least squares and factors, in every type, against NumPy and SciPy."""
import numpy as np
import scipy.linalg

from kernel_test import (ABOVE, ANY_SHAPE, BELOW, COPIES, CUTOFF, LEAD, RATIO, SQUARE, TWO_TYPES, VECTORS, KernelTest,
                         backward_error, double, epsilon, every_sort, frobenius, hermitian, ill_conditioned, of_each,
                         of_sort, poisoned, random_tasks, scaled, singular_values, stack, unpoisoned, wide,
                         with_eigenvalues, with_singular_values)
from sheaf_test import conjugate_transpose, inverse_ratios, random_array


class Solving(KernelTest):
    def test_inv(self):
        """||A X - I|| <= RATIO n eps ||A|| ||X||; and for random matrices X is within 2 ||E|| ||X||^2 of NumPy's."""
        def check(run):
            a, x = run.inputs[0], run.outputs[0]
            self.assertLess(inverse_ratios(a, x).max(), RATIO)
            known = of_sort(a, 0), of_sort(x, 0)
            bound = 2 * backward_error(known[0]) * frobenius(known[1]) ** 2
            self.assertSmall(wide(known[1]) - np.linalg.inv(double(known[0])), bound, "NumPy's inverse")

        self.each("inv", lambda dtype, m, n: (self.regular(m, dtype),), check, SQUARE)

    @staticmethod
    def regular(m, dtype):
        """None is so close to a singular one that rounding makes it one."""
        some = random_array((COPIES, m, m), dtype, 1)
        return stack(*scaled(some), ill_conditioned(m, m, dtype, least=2 * RATIO * m))

    @staticmethod
    def gap(m, n, dtype):
        return stack(with_singular_values(np.array(ABOVE + BELOW), m, n, dtype))

    def test_pinv(self):
        """The four conditions of Penrose, with X the pseudo-inverse of A + E."""
        def check(run):
            (a,), (x,) = map(wide, run.inputs), map(wide, run.outputs)
            error, norm = backward_error(run.inputs[0]), frobenius(x)
            size = 1 + frobenius(a) * norm
            self.assertSmall(a @ x @ a - a, error * size, "A X A = A")
            self.assertSmall(x @ a @ x - x, error * size * norm ** 2, "X A X = X")
            self.assertSmall(a @ x - conjugate_transpose(a @ x), error * norm * size, "A X Hermitian")
            self.assertSmall(x @ a - conjugate_transpose(x @ a), error * norm * size, "X A Hermitian")

        def operands(dtype, m, n):
            some = random_array((COPIES, m, n), dtype, 1)
            return stack(*scaled(some), np.zeros_like(some)),

        self.each("pinv", operands, check, ANY_SHAPE + VECTORS)

    def test_pinv_rcond(self):
        """Singular values below the gap count as 0; the others' vectors turn by less than 2 ||E|| / sigma."""
        def check(run, cutoff):
            a, x = run.inputs[0], run.outputs[0]
            bound = 2 * 4 * backward_error(a) / ABOVE[-1] ** 2
            self.assertSmall(wide(x) - np.linalg.pinv(double(a), rcond=cutoff), bound, "NumPy's")
            self.assertWithin(frobenius(x), frobenius(1 / np.array([ABOVE]), (-1,)) + np.zeros(x.shape[:2]), bound)

        for shape in ((12, 9), (9, 12)):
            self.each("pinv", lambda dtype: (self.gap(*shape, dtype),), lambda run: check(run, CUTOFF),
                      types=TWO_TYPES, rcond=CUTOFF)

    def check_solution(self, a, b, x):
        """||B - A X|| <= RATIO n eps (||A|| ||X|| + ||B||), as LAPACK's xGET02"""
        bound = backward_error(a) * frobenius(x) + RATIO * a.shape[-1] * epsilon(a.dtype) * frobenius(b)
        self.assertSmall(wide(a) @ wide(x) - wide(b), bound, "A X = B")

    def test_solve(self):
        def operands(dtype, m, n):
            a = self.regular(m, dtype)
            return a, random_array(a.shape[:2] + (m, n), dtype, 3)

        def check(run):
            self.check_solution(*run.inputs, *run.outputs)

        def check_with_numpy(run):
            a, b = run.inputs
            known = np.linalg.solve(double(a), double(b))
            bound = 2 * 2 * backward_error(a) * frobenius(np.linalg.inv(double(a))) * frobenius(known)
            self.assertSmall(wide(run.outputs[0]) - known, bound, "NumPy's")

        self.each("solve", operands, check, [(17, 5), (1, 1), (1, 6), (12, 40)])
        # one A for all tasks, one B for all
        self.each("solve", lambda dtype: (random_array((9, 9), dtype, 1), random_tasks(dtype, 9, 4, seed=2)),
                  check_with_numpy)
        self.each("solve", lambda dtype: (random_tasks(dtype, 9, 9), random_array((9, 4), dtype, 2)), check_with_numpy)

    def test_solve1(self):
        def operands(dtype, m, _):
            a = self.regular(m, dtype)
            return a, random_array(a.shape[:2] + (m,), dtype, 3)

        def check(run):
            a, b = run.inputs
            self.check_solution(a, b[..., np.newaxis], run.outputs[0][..., np.newaxis])

        self.each("solve1", operands, check, SQUARE)
        self.each("solve1", lambda dtype: (random_array((9, 9), dtype, 1), random_tasks(dtype, 9, seed=2)), check)

    LSTSQ = ("same", "real", "i64", "real")

    def check_least_squares(self, run, cutoff=None, change=None):
        """Against NumPy, in double. For (A + E) x = b + f, to first order and with r = b - A x, ||dx|| <=
        ||E|| ||r|| / sigma^2 + (2 ||E|| ||x|| + ||f||) / sigma, sigma the least singular value that counts, and
        d||r|| <= ||E|| ||x|| + ||f|| (Golub and Van Loan, section 5.3.7). NumPy's own error may be as large."""
        (a, b), (x, residuals, rank, s) = run.inputs, run.outputs
        if b.ndim < a.ndim:
            b, x, residuals = b[..., np.newaxis], x[..., np.newaxis], residuals[..., np.newaxis]
        error, (m, n) = 2 * backward_error(a), a.shape[-2:]
        self.assertWithin(s, singular_values(a), of_each(error, 1))
        for task in np.ndindex(a.shape[:2]):
            numpy_x, _, numpy_rank, numpy_s = np.linalg.lstsq(double(a[task]), double(b[task]), rcond=cutoff)
            self.assertEqual(rank[task], numpy_rank)
            sigma, e = numpy_s[numpy_rank - 1] if numpy_rank else 1, error[task]
            left = b[task] - double(a[task]) @ numpy_x
            f = 2 * RATIO * max(m, n) * epsilon(a.dtype) * frobenius(b[task])
            bound = e * frobenius(left) / sigma ** 2 + (2 * e * frobenius(numpy_x) + f) / sigma
            self.assertSmall(wide(x[task]) - numpy_x, change[task] if change is not None else bound, "NumPy's x")
            if rank[task] < n or m <= n:
                self.assertTrue(np.isnan(residuals[task]).all(), "residuals where NumPy has none")
            else:
                norms, change_of_norm = frobenius(left, (-2,)), e * frobenius(numpy_x) + f
                self.assertWithin(residuals[task], norms ** 2, (2 * norms + change_of_norm) * change_of_norm)

    @staticmethod
    def full_rank(dtype, m, n, *columns):
        some = random_array((COPIES, m, n), dtype, 1)
        a = stack(*scaled(some))
        return a, random_array(a.shape[:2] + (m, *columns), dtype, 3)

    def test_lstsq(self):
        self.each("lstsq", self.full_rank, self.check_least_squares,
                  [(19, 12, 3), (12, 19, 3), (17, 17, 1), (1, 1, 1)], self.LSTSQ)

    def test_lstsq1(self):
        self.each("lstsq1", self.full_rank, self.check_least_squares, ANY_SHAPE, self.LSTSQ)

    def check_rcond(self, kernel, columns):
        """A cutoff in a gap; and on diagonal matrices, whose singular values have no error, one close to it."""
        def operands(dtype, m, n):
            a = self.gap(m, n, dtype)
            return a, random_array(a.shape[:2] + (m, *columns), dtype, 3)

        def check(run):
            a, b = run.inputs
            change = 2 * 4 * backward_error(a) / ABOVE[-1] ** 2 * frobenius(b, (-2, -1) if columns else (-1,))
            self.assertTrue((run.outputs[2] == len(ABOVE)).all())
            self.check_least_squares(run, CUTOFF, change)

        def diagonals(dtype, cutoff):
            steps = np.diag([1, 1 / 2, 2 * cutoff, cutoff / 2, 0]).astype(dtype)
            return np.broadcast_to(steps, (*LEAD, 5, 5)), random_tasks(dtype, 5, *columns)

        def check_diagonals(run):
            self.assertTrue((run.outputs[2] == 3).all(), run.outputs[2])

        self.each(kernel, operands, check, [(12, 9), (9, 12)], self.LSTSQ, types=TWO_TYPES, rcond=CUTOFF)
        # LAPACK's epsilon, for 0, is half the distance of 1 from the next number
        for parameters, cutoff in ({"rcond": 0.1}, 0.1), ({}, 5), ({"rcond": 0}, 0.7):
            self.each(kernel, lambda dtype: diagonals(dtype, cutoff * (1 if cutoff == 0.1 else epsilon(dtype))),
                      check_diagonals, outputs=self.LSTSQ, types=TWO_TYPES, **parameters)

    def test_lstsq_rcond(self):
        self.check_rcond("lstsq", (3,))

    def test_lstsq1_rcond(self):
        self.check_rcond("lstsq1", ())


class Factors(KernelTest):
    """Residuals, and what each factor has to be exactly."""

    def test_cholesky(self):
        def operands(dtype, n, _):
            b = random_array((COPIES, n, n), dtype, 1)
            some = hermitian(b @ conjugate_transpose(b) + np.eye(n, dtype=dtype))
            w = np.geomspace(1, min(1, 100 * RATIO * n * epsilon(dtype)), n)
            return poisoned(stack(*scaled(some), with_eigenvalues(w, n, dtype))),

        def check(run):
            factor, a = run.outputs[0], unpoisoned(run.inputs[0])
            self.assertSmall(wide(factor) @ conjugate_transpose(wide(factor)) - a, backward_error(a), "L L^H = A")
            self.assertZero(np.triu(factor, 1), "above the diagonal")
            diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
            self.assertTrue((diagonal.real > 0).all() and (diagonal.imag == 0).all())

        self.each("cholesky", operands, check, SQUARE)

    def test_qr(self):
        def check(run):
            a, (q, r) = run.inputs[0], run.outputs
            self.assertSmall(wide(q) @ wide(r) - a, backward_error(a), "Q R = A")
            self.assertOrthonormal(q, "Q")
            self.assertZero(np.tril(r, -1), "below the diagonal")
            self.assertZero(np.diagonal(r, axis1=-2, axis2=-1).imag, "imaginary part of the diagonal")
            # LAPACK's signs: R is NumPy's. ||dR|| <= 2 sqrt(2) cond ||E|| of the square part (Higham, 19.9).
            known, found = (x.reshape(-1, *x.shape[2:])[:COPIES] for x in (a, r))
            k = min(a.shape[-2:])
            s = singular_values(known[..., :k])
            bound = 2 * 2 * np.sqrt(2) * s[..., 0] / s[..., -1] * backward_error(known) * frobenius(known) / s[..., -1]
            expected = np.array([np.linalg.qr(double(task))[1] for task in known])
            self.assertSmall(wide(found) - expected, bound, "NumPy's R")

        self.each("qr", lambda dtype, m, n: (every_sort(m, n, dtype),), check, ANY_SHAPE + VECTORS, ("same", "same"))

    def test_lu(self):
        """||P L U - A|| <= RATIO n eps || |L| |U| ||, which partial pivoting keeps near ||A||."""
        def check(run):
            a, (p, lower, upper) = run.inputs[0], run.outputs
            n = max(a.shape[-2:])
            bound = RATIO * n * epsilon(run.dtype) * frobenius(np.abs(wide(lower)) @ np.abs(wide(upper)))
            self.assertSmall(wide(p) @ wide(lower) @ wide(upper) - a, bound, "P L U = A")
            self.assertTrue(((p == 0) | (p == 1)).all() and (p.sum(axis=-1) == 1).all() and (p.sum(axis=-2) == 1).all())
            self.assertZero(np.triu(lower, 1), "above L's diagonal")
            self.assertTrue((np.diagonal(lower, axis1=-2, axis2=-1) == 1).all(), "L's diagonal")
            self.assertZero(np.tril(upper, -1), "below U's diagonal")
            # LAPACK compares |re| + |im|: a factor of sqrt(2), and a rounding
            greatest = (2 if run.dtype.kind == "c" else 1) ** 0.5
            self.assertLessEqual(np.abs(wide(lower)).max(), greatest + 4 * epsilon(run.dtype))
            for task, found in zip(of_sort(a, 0), of_sort(p, 0)):
                self.assertSameNumbers(found, scipy.linalg.lu(task)[0], "SciPy's P")

        self.each("lu", lambda dtype, m, n: (every_sort(m, n, dtype),), check, ANY_SHAPE + VECTORS,
                  ("real", "same", "same"))
