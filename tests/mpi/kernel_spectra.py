"""Singular values, eigenvalues and numbers of a matrix, in every type, against NumPy."""
import numpy as np
import scipy.optimize

from kernel_test import (ABOVE, ANY_SHAPE, BELOW, COPIES, CUTOFF, LEAD, SQUARE, TWO_TYPES, VECTORS, KernelTest,
                         backward_error, double, epsilon, every_sort, frobenius, hermitian, of_each, of_sort,
                         poisoned, scaled, singular_values, small_integers, stack, unpoisoned, wide, with_eigenvalues,
                         with_singular_values)
from sheaf_test import BAD_DATA, conjugate_transpose, random_array


# Small matrices go another way than large ones (compact.h).
SMALL_TO_LARGE = SQUARE + [(8, 8), (40, 40)]
SMALL = [(8, 8), (9, 5), (5, 9)]


class Spectra(KernelTest):
    def check_singular_values(self, a, s):
        """They change by no more than A does (Weyl)."""
        self.assertWithin(s, singular_values(a), of_each(2 * backward_error(a), 1))
        self.assertTrue((s >= 0).all() and (np.diff(s) <= 0).all(), "s descends, and is not negative")

    def test_svd(self):
        def check(run):
            a, (u, s, vt) = run.inputs[0], run.outputs
            self.assertSmall((wide(u) * wide(s)[..., np.newaxis, :]) @ wide(vt) - a, backward_error(a), "U S Vt = A")
            self.assertOrthonormal(u, "U")
            self.assertOrthonormal(conjugate_transpose(vt), "V")
            self.check_singular_values(a, s)

        self.each("svd", lambda dtype, m, n: (every_sort(m, n, dtype),), check,
                  ANY_SHAPE + VECTORS + SMALL, ("same", "real", "same"))

    def test_svdvals(self):
        self.each("svdvals", lambda dtype, m, n: (every_sort(m, n, dtype),),
                  lambda run: self.check_singular_values(run.inputs[0], run.outputs[0]), ANY_SHAPE, ("real",))

    @staticmethod
    def hermitian_operands(dtype, n, _):
        signs = (-1.0) ** np.arange(n)
        ill = with_eigenvalues(signs * np.geomspace(1, epsilon(dtype) / 100, n), n, dtype)
        equal = with_eigenvalues(np.round(np.linspace(-1, 1, n)), n, dtype)
        half = small_integers((COPIES, n, n // 2), dtype, 5)
        some = hermitian(random_array((COPIES, n, n), dtype, 1))
        some = np.where(np.eye(n, dtype=bool), some.real, some).astype(dtype)
        return poisoned(stack(*scaled(some), ill, equal, half @ conjugate_transpose(half))),

    def check_real_eigenvalues(self, a, w):
        """They change by no more than A does (Weyl)."""
        self.assertWithin(w, np.linalg.eigvalsh(double(a)), of_each(2 * backward_error(a), 1))
        self.assertTrue((np.diff(w) >= 0).all(), "w ascends")

    def test_eigh(self):
        def check(run):
            a, (w, v) = unpoisoned(run.inputs[0]), run.outputs
            self.assertSmall(wide(a) @ wide(v) - wide(v) * wide(w)[..., np.newaxis, :], backward_error(a), "A V = V W")
            self.assertOrthonormal(v, "V")
            self.check_real_eigenvalues(a, w)

        self.each("eigh", self.hermitian_operands, check, SMALL_TO_LARGE, ("real", "same"))

    def test_eigvalsh(self):
        self.each("eigvalsh", self.hermitian_operands,
                  lambda run: self.check_real_eigenvalues(unpoisoned(run.inputs[0]), run.outputs[0]), SMALL_TO_LARGE,
                  ("real",))

    @staticmethod
    def general_operands(dtype, n, _):
        sorts = every_sort(n, n, dtype)
        jordan = np.broadcast_to(np.eye(n, dtype=dtype) + np.eye(n, k=1, dtype=dtype), (COPIES, n, n))
        return stack(sorts.reshape(-1, n, n), jordan),

    def check_eigenvalues(self, a, w):
        """Each w is one of A + E: A - w I is within ||E|| of a singular matrix. The sum is the trace of A + E. Those of
        a random A are NumPy's, within cond(V) ||E|| (Bauer and Fike)."""
        n, error = a.shape[-1], 2 * backward_error(a)
        shifted = double(a)[..., np.newaxis, :, :] - double(w)[..., np.newaxis, np.newaxis] * np.eye(n)
        least = np.linalg.svd(shifted, compute_uv=False)[..., -1]
        self.assertWithin(least, np.zeros(least.shape), of_each(error, 1))
        trace = np.trace(wide(a), axis1=-2, axis2=-1)
        self.assertWithin(w.sum(axis=-1, dtype=np.clongdouble), trace, np.sqrt(n) * error)
        for task, found, e in zip(of_sort(a, 0), of_sort(w, 0), error.ravel()):
            expected, vectors = np.linalg.eig(double(task))
            distances = np.abs(found[:, np.newaxis] - expected)
            pairs = scipy.optimize.linear_sum_assignment(distances)
            self.assertLessEqual(distances[pairs].max(), 2 * np.linalg.cond(vectors) * e)

    def check_pairs(self, w, v=None):
        """Of a real matrix: conjugate pairs stand together, positive imaginary part first, their vectors conjugate."""
        for task in np.ndindex(w.shape[:2]):
            first = np.flatnonzero(w[task].imag > 0)
            self.assertSameNumbers(np.flatnonzero(w[task].imag < 0), first + 1)
            self.assertSameNumbers(w[task][first + 1], w[task][first].conj())
            if v is not None:
                self.assertSameNumbers(v[task][:, first + 1], v[task][:, first].conj())
                self.assertZero(v[task][:, w[task].imag == 0].imag, "imaginary part of a real vector")

    def test_eig(self):
        def check(run):
            a, (w, v) = run.inputs[0], run.outputs
            self.check_eigenvalues(a, w)
            residual = wide(a) @ wide(v) - wide(v) * wide(w)[..., np.newaxis, :]
            n, eps = a.shape[-1], epsilon(run.dtype)
            self.assertSmall(residual, np.sqrt(n) * backward_error(a), "A V = V W")
            self.assertWithin(frobenius(v, (-2,)), np.ones(w.shape), n * eps)
            size = np.abs(v)
            greatest = size >= size.max(axis=-2, keepdims=True) * (1 - 8 * eps)
            self.assertTrue((greatest & (v.imag == 0)).any(axis=-2).all(), "the largest component is real")
            if run.dtype.kind == "f":
                self.check_pairs(w, v)

        self.each("eig", self.general_operands, check, SQUARE, ("complex", "complex"))

    def test_eigvals(self):
        def check(run):
            self.check_eigenvalues(run.inputs[0], run.outputs[0])
            if run.dtype.kind == "f":
                self.check_pairs(run.outputs[0])

        self.each("eigvals", self.general_operands, check, SQUARE, ("complex",))


class Numbers(KernelTest):
    """One or two numbers of a matrix."""

    def test_det(self):
        """|det(A + E) - det(A)| <= the product of sigma + ||E||, less that of sigma (Ipsen and Rehman, 2008)."""
        def check(run):
            a, found = run.inputs[0], run.outputs[0]
            sign, logarithm = np.linalg.slogdet(double(a))
            expected = sign * np.exp(logarithm.astype(np.longdouble))
            s, error = wide(singular_values(a)), 2 * backward_error(a)
            bound = np.prod(s + of_each(error, 1), axis=-1) - np.prod(s, axis=-1)
            # a product of n numbers, NumPy's logarithms, and what a subnormal number loses
            n, numpy_error = a.shape[-1], np.abs(logarithm) * epsilon(np.float64)
            bound = bound + np.abs(expected) * np.where(sign == 0, 0, n * epsilon(run.dtype) + 4 * numpy_error)
            bound = bound + float(np.finfo(run.dtype).tiny) * epsilon(run.dtype)
            greatest = float(np.finfo(run.dtype).max)
            overflow = np.abs(expected) > 4 * greatest
            self.assertTrue(np.isinf(found[overflow]).all(), "overflow")
            self.assertWithin(found[~overflow], expected[~overflow], bound[~overflow])
            self.assertEqual(overflow.any(), run.dtype.itemsize // (2 if run.dtype.kind == "c" else 1) == 4 and n > 1)

        self.each("det", lambda dtype, m, n: (every_sort(m, n, dtype),), check, SQUARE)

    def test_slogdet(self):
        """As det; where E may make A singular, only an upper bound is known."""
        def check(run):
            a, (sign, logarithm) = run.inputs[0], run.outputs
            numpy_sign, expected = np.linalg.slogdet(double(a))
            s, error, eps = wide(singular_values(a)), of_each(2 * backward_error(a), 1), epsilon(run.dtype)
            rounding = a.shape[-1] * eps * (1 + np.abs(np.log(np.where(s > 0, s, 1))).sum(axis=-1))
            self.assertTrue((logarithm <= np.log(s + error).sum(axis=-1) + rounding).all())
            known = s[..., -1] > 2 * error[..., 0]
            self.assertTrue(of_sort(known, 0).all())
            change = np.where(known[..., np.newaxis], error / np.where(s > 0, s, 1), 0)
            bound = rounding - np.log(1 - change).sum(axis=-1)
            self.assertWithin(logarithm[known], expected[known], bound[known])
            self.assertWithin(sign[known], numpy_sign[known], 2 * bound[known])
            zero = ~a.any(axis=(-2, -1))
            sizes = np.abs(wide(sign[sign != 0]))
            self.assertWithin(sizes, np.ones(sizes.shape), 4 * eps, "size of the sign")
            self.assertTrue((sign[zero] == 0).all() and (logarithm[zero] == -np.inf).all())

        self.each("slogdet", lambda dtype, m, n: (every_sort(m, n, dtype),), check, SQUARE, ("same", "real"))

    def check_norm(self, run, order):
        """2: as singular values. The others are sums in double: of mn terms, and a rounding to the type."""
        a, found = run.inputs[0], run.outputs[0]
        if order == 2:
            self.assertWithin(found, singular_values(a)[..., 0], 2 * backward_error(a))
        else:
            expected = np.linalg.norm(wide(a), {"inf": np.inf}.get(order, order), axis=(-2, -1))
            terms = a.shape[-2] * a.shape[-1] + 2
            self.assertWithin(found, expected, (epsilon(run.dtype) + terms * epsilon(np.float64)) * expected)

    def test_norm(self):
        self.each("norm", lambda dtype, m, n: (every_sort(m, n, dtype),), lambda run: self.check_norm(run, "fro"),
                  ANY_SHAPE, ("real",))

    def test_norm_ord(self):
        for order in ("fro", 1, "inf", 2):
            self.each("norm", lambda dtype, m, n: (every_sort(m, n, dtype),), lambda run: self.check_norm(run, order),
                      [(19, 12)], ("real",), types=TWO_TYPES, ord=order)

    def check_cond(self, run, order):
        a, found = run.inputs[0], run.outputs[0]
        s, error = singular_values(a), 2 * backward_error(a)
        least, greatest = s[..., -1], s[..., 0]
        if order in (2, -2):
            found = found if order == 2 else np.where(greatest == 0, found, 1 / found)
            low, high = (greatest - error) / (least + error), (greatest + error) / np.maximum(least - error, 0)
        else:
            # X + dX with ||dX|| <= ||E|| ||X||^2; of norms that differ by up to sqrt(n) each
            n, numpy_order = a.shape[-1], {"inf": np.inf}.get(order, order)
            known = least > 4 * n * error
            change = np.where(known, n * error / least, 0)
            expected = np.where(known, np.linalg.cond(double(a), numpy_order).real, np.inf)
            low = np.where(known, expected * (1 - change), (greatest - error) / (least + error) / n)
            high = expected * (1 + 2 * change)
        zero = greatest == 0
        self.assertTrue(((found >= low) & (found <= high) | zero).all(), (found, low, high))
        self.assertTrue(np.isinf(run.outputs[0][zero]).all(), "of a matrix of zeros")

    def test_cond(self):
        self.each("cond", lambda dtype, m, n: (every_sort(m, n, dtype),), lambda run: self.check_cond(run, 2),
                  ANY_SHAPE, ("real",))

    def test_cond_p(self):
        """One matrix is exactly singular: its singular values have no error."""
        def operands(dtype):
            a = every_sort(12, 12, dtype)
            a[1, -1] = np.diag(np.arange(12))
            return a,

        def check(run, order):
            self.check_cond(run, order)
            self.assertEqual(run.outputs[0][1, -1], 0 if order == -2 else np.inf)

        for order in (2, -2, "fro", 1, "inf"):
            self.each("cond", operands, lambda run: check(run, order), outputs=("real",), types=TWO_TYPES, p=order)
        self.write("in.h5", a=np.ones((4, 2, 3)))
        self.sheaf("run", "cond", "in.h5:/a", "-p", "p=fro", "-o", "no.h5", code=BAD_DATA)

    def test_matrix_rank(self):
        """Exact where no singular value is within ||E|| of the tolerance."""
        def check(run):
            a, found = run.inputs[0], run.outputs[0]
            s = singular_values(a)
            tolerance, error = s[..., :1] * max(a.shape[-2:]) * epsilon(run.dtype), of_each(2 * backward_error(a), 1)
            low, high = (s > tolerance + error).sum(axis=-1), (s > tolerance - error).sum(axis=-1)
            self.assertTrue(((low <= found) & (found <= high)).all(), (low, found, high))
            self.assertTrue((of_sort(found, 0) == min(a.shape[-2:])).all(), found)
            self.assertTrue((found[..., ~a.any(axis=(-2, -1))[0]] == 0).all())

        def check_diagonals(run):
            self.assertTrue((run.outputs[0] == 3).all(), run.outputs)

        self.each("matrix_rank", lambda dtype, m, n: (every_sort(m, n, dtype),), check, ANY_SHAPE, ("i64",))
        self.each("matrix_rank", lambda dtype: (self.diagonals(5 * epsilon(dtype), dtype),), check_diagonals,
                  outputs=("i64",))

    @staticmethod
    def diagonals(tolerance, dtype):
        """Their singular values have no error: three are above the tolerance, if only just."""
        steps = np.array([1, 1 / 2, 1.25 * tolerance, tolerance / 1.25, 0])
        return np.broadcast_to(np.diag(steps).astype(dtype), (*LEAD, 5, 5))

    def test_matrix_rank_tol(self):
        for tolerance in (-1, 0, CUTOFF, 2):
            expected = sum(x > tolerance for x in ABOVE + BELOW)
            self.each("matrix_rank", lambda dtype: (stack(with_singular_values(np.array(ABOVE + BELOW), 5, 9, dtype)),),
                      lambda run: self.assertTrue((run.outputs[0] == expected).all(), run.outputs), outputs=("i64",),
                      types=TWO_TYPES, tol=tolerance)
        self.each("matrix_rank", lambda dtype: (self.diagonals(CUTOFF, dtype),),
                  lambda run: self.assertTrue((run.outputs[0] == 3).all()), outputs=("i64",), types=TWO_TYPES,
                  tol=CUTOFF)
