"""Products and sums of products, in every type, against NumPy."""
import numpy as np

from kernel_test import ANY_SHAPE, TWO_TYPES, KernelTest, epsilon, random_tasks, wide
from sheaf_test import BAD_DATA, conjugate_transpose, product_and_bound


class Products(KernelTest):
    """Sums of products: each element within the bound of any order of the summation."""

    def test_matmul(self):
        self.each("matmul", lambda dtype, m, k, n: (random_tasks(dtype, m, k), random_tasks(dtype, k, n, seed=2)),
                  lambda run: self.assertWithin(run.outputs[0], *product_and_bound(*run.inputs)),
                  [(9, 14, 5), (1, 1, 1), (1, 30, 1), (20, 1, 20)])

    def test_multi_dot(self):
        """Any order of p products sums up to K terms, K the sum of the inner extents: gamma(K + p) |A| |B| |C| ..."""
        def check(run):
            product, bound = wide(run.inputs[0]), np.abs(wide(run.inputs[0]))
            for factor in run.inputs[1:]:
                product, bound = product @ wide(factor), bound @ np.abs(wide(factor))
            terms = sum(a.shape[-1] for a in run.inputs) * (3 if run.dtype.kind == "c" else 1)
            self.assertWithin(run.outputs[0], product, terms * epsilon(run.dtype) * bound)

        self.each("multi_dot", lambda dtype, *n: [random_tasks(dtype, *pair, seed=i)
                                                  for i, pair in enumerate(zip(n, n[1:]))],
                  check, [(7, 20, 3, 15, 4), (1, 1, 1), (3, 9, 2)])

    def test_matvec(self):
        def check(run):
            product, bound = product_and_bound(run.inputs[0], run.inputs[1][..., np.newaxis])
            self.assertWithin(run.outputs[0], product[..., 0], bound[..., 0])

        self.each("matvec", lambda dtype, m, n: (random_tasks(dtype, m, n), random_tasks(dtype, n, seed=2)), check,
                  ANY_SHAPE)

    def test_dot(self):
        def check(run):
            x, y = run.inputs
            product, bound = product_and_bound(x[..., np.newaxis, :], y[..., np.newaxis])
            self.assertWithin(run.outputs[0], product[..., 0, 0], bound[..., 0, 0])

        self.each("dot", lambda dtype, k: (random_tasks(dtype, k), random_tasks(dtype, k, seed=2)), check,
                  [(301,), (1,)])

    def test_outer(self):
        def check(run):
            x, y = run.inputs[0][..., np.newaxis], run.inputs[1][..., np.newaxis, :]
            self.assertWithin(run.outputs[0], *product_and_bound(x, y))
            if run.dtype.kind == "f":
                self.assertSameBits(run.outputs[0], x * y)

        self.each("outer", lambda dtype, m, n: (random_tasks(dtype, m), random_tasks(dtype, n, seed=2)), check,
                  ANY_SHAPE)

    def assertHermitian(self, a):
        self.assertSameNumbers(a, conjugate_transpose(a), "not exactly Hermitian")
        self.assertZero(np.diagonal(a, axis1=-2, axis2=-1).imag, "imaginary part of the diagonal")

    def test_gram(self):
        def check(run):
            a, = run.inputs
            self.assertWithin(run.outputs[0], *product_and_bound(conjugate_transpose(a), a))
            self.assertHermitian(run.outputs[0])

        self.each("gram", lambda dtype, m, n: (random_tasks(dtype, m, n),), check, ANY_SHAPE)

    def check_cov(self, run, ddof=1):
        """A mean of n numbers is within gamma(n + 1) of their mean size, a centred number by as much and its own
        rounding; then sums of n products."""
        x, n = wide(run.inputs[0]), run.inputs[0].shape[-1]
        expected = np.array([np.cov(task, ddof=ddof) for task in x.reshape(-1, *x.shape[2:])])
        centred = np.abs(x - x.mean(axis=-1, keepdims=True))
        error = (n + 2) * epsilon(run.dtype) * (np.abs(x).mean(axis=-1, keepdims=True) + centred)
        crossed = centred @ np.swapaxes(error, -1, -2)
        bound = crossed + np.swapaxes(crossed, -1, -2) + error @ np.swapaxes(error, -1, -2)
        _, rounding = product_and_bound(centred.astype(run.dtype), np.swapaxes(centred, -1, -2).astype(run.dtype))
        self.assertWithin(run.outputs[0], expected.reshape(run.outputs[0].shape), (bound + 2 * rounding) / (n - ddof))
        self.assertHermitian(run.outputs[0])

    def test_cov(self):
        self.each("cov", lambda dtype, m, n: (random_tasks(dtype, m, n) + 3,), self.check_cov,
                  [(9, 20), (20, 9), (1, 2), (1, 31)])

    def test_cov_ddof(self):
        for ddof in (0, 1, 2):
            self.each("cov", lambda dtype: (random_tasks(dtype, 4, 6),), lambda run: self.check_cov(run, ddof),
                      types=TWO_TYPES, ddof=ddof)
        self.write("in.h5", a=np.ones((3, 2)))
        self.sheaf("run", "cov", "in.h5:/a", "-p", "ddof=2", "-o", "no.h5", code=BAD_DATA)

    def test_not_finite(self):
        """No product fails: NaN and infinity spread as they do in NumPy."""
        x = np.array([1, np.nan, 2, np.inf]).reshape(4, 1, 1) * np.ones((4, 3, 3))
        cases = {"matmul": (x, x), "multi_dot": (x, x, x), "matvec": (x, x[..., 0]), "dot": (x[..., 0], x[..., 0]),
                 "outer": (x[..., 0], x[..., 0]), "gram": (x,), "cov": (x,)}
        for kernel, inputs in cases.items():
            self.each(kernel, lambda dtype, inputs=inputs: [a.astype(dtype) for a in inputs],
                      lambda run: self.assertEqual(
                          np.isfinite(run.outputs[0]).reshape(4, -1).all(axis=1).tolist(), [True, False, True, False]),
                      types=TWO_TYPES)
