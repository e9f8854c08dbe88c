"""What the tests of the kernels share: to run one over all its types and many shapes, matrices of every sort, and the
thresholds.

Thresholds. A backward stable algorithm gives the exact result of A + E with ||E|| <= c n eps ||A||, c small (N. Higham,
Accuracy and Stability of Numerical Algorithms, 2nd ed., chapters 9, 10, 14, 19; LAPACK Users' Guide, chapter 4).
LAPACK's own tests demand that residuals, divided by n eps ||A||, stay below numbers from 20 to 50: here it is RATIO.
eps is the type's own, also where NumPy computes f32 in double; backward_error() bounds ||E||. What has a unique result
may differ from NumPy's by what E changes, and by as much again where NumPy computed in the same type.
"""
import re

import h5py
import numpy as np

from sheaf_test import RANKS, RUN_FINISHED, TASK_DONE, SheafTest, conjugate_transpose, random_array

RATIO = 30
DTYPES = {"i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8", "u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8",
          "f16": "f2", "f32": "f4", "f64": "f8", "c64": "c8", "c128": "c16"}

# Most of a small run is waiting for MPI to start: several run at a time, one rank without a launcher. At several ranks one
# type and shape: who computes which tasks depends on their number and bytes alone.
IN_FLIGHT = 5 if RANKS == 1 else 2
REDUCED = RANKS > 1
TWO_TYPES = ("c128",) if REDUCED else ("f32", "c128")  # for parameters and failures; all types for each kernel as such
COPIES = 6  # tasks of one sort of matrix

SQUARE = [(17, 17), (1, 1)]
ANY_SHAPE = [(19, 12), (12, 19), (17, 17), (1, 1)]
VECTORS = [(1, 7), (7, 1)]
LEAD = (2, 5)

TASK_NOT_POSITIVE_DEFINITE, TASK_OVERFLOW = 3, 6

# Singular values with a gap, for cutoffs in it.
ABOVE, CUTOFF, BELOW = [1, 1 / 2, 1 / 8], 2.0 ** -6, [2.0 ** -9, 2.0 ** -12]


# ---- matrices ----

def wide(a):
    """With more digits."""
    return a.astype(np.clongdouble if np.iscomplexobj(a) else np.longdouble)


def double(a):
    """In the type in which NumPy computes it."""
    return a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)


def real_type(dtype):
    return np.zeros(1, dtype).real.dtype


def epsilon(dtype):
    return float(np.finfo(dtype).eps)


def frobenius(a, axes=(-2, -1)):
    """In long double: no square of a double leaves its range."""
    return np.sqrt((np.abs(wide(a)) ** 2).sum(axis=axes))


def backward_error(a):
    """The Frobenius norm of E: for each matrix, in a's own type."""
    return RATIO * max(a.shape[-2:]) * epsilon(a.dtype) * frobenius(a)


def of_each(numbers, ndim):
    """Numbers, one for each task, with `ndim` axes for the core behind them."""
    return np.reshape(numbers, np.shape(numbers) + (1,) * ndim)


def random_tasks(dtype, *core, seed=1):
    return random_array(LEAD + core, dtype, seed)


def any_numbers(dtype, *core, seed=1):
    """Of the type's whole range where they are integers."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.random.default_rng(seed).integers(limits.min, limits.max, LEAD + core, dtype, endpoint=True)
    return random_tasks(dtype, *core, seed=seed)


def orthonormal(shape, dtype, seed):
    """(..., m, k) in double, of dtype's kind."""
    kind = np.complex128 if np.issubdtype(dtype, np.complexfloating) else np.float64
    return np.linalg.qr(random_array(shape, kind, seed))[0]


def with_singular_values(s, m, n, dtype, seed=1, count=COPIES):
    """(count, m, n) matrices of these singular values, but for their rounding."""
    u = orthonormal((count, m, len(s)), dtype, seed)
    v = orthonormal((count, n, len(s)), dtype, seed + 1)
    return (u * s @ conjugate_transpose(v)).astype(dtype)


def with_eigenvalues(w, n, dtype, seed=1, count=COPIES):
    """(count, n, n) Hermitian matrices of these eigenvalues, but for their rounding."""
    v = orthonormal((count, n, n), dtype, seed)
    a = (v * w @ conjugate_transpose(v)).astype(dtype)
    return hermitian(a)


def hermitian(a):
    return np.tril(a) + conjugate_transpose(np.tril(a, -1))


def small_integers(shape, dtype, seed):
    """From -3 to 3: their products are exact in every type."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-3, 4, shape)
    return (values + 1j * generator.integers(-3, 4, shape) if np.issubdtype(dtype, np.complexfloating)
            else values).astype(dtype)


def ill_conditioned(m, n, dtype, least=1 / 100):
    """Singular values from 1 to `least` eps."""
    return with_singular_values(np.geomspace(1, least * epsilon(dtype), min(m, n)), m, n, dtype, seed=2)


def deficient(m, n, dtype):
    """Exactly of half the possible rank: of a 1x1 matrix, 0."""
    rank = min(m, n) // 2
    left, right = small_integers((COPIES, m, rank), dtype, 4), small_integers((COPIES, rank, n), dtype, 5)
    for matrices in (left, np.swapaxes(right, -1, -2)):  # a unit triangle: of full rank
        matrices[:, :rank] = np.tril(matrices[:, :rank], -1) + np.eye(rank, dtype=dtype)
    return left @ right


def stack(*sorts):
    """Sorts of matrices, one after the other, with leading axes (2, tasks / 2)."""
    tasks = np.concatenate(sorts)
    return np.ascontiguousarray(tasks.reshape(2, len(tasks) // 2, *tasks.shape[1:]))


def every_sort(m, n, dtype):
    """Random (large and small numbers too), ill-conditioned and rank-deficient ones."""
    return stack(*scaled(random_array((COPIES, m, n), dtype, 1)), ill_conditioned(m, n, dtype), deficient(m, n, dtype))


def scaled(some):
    """Numbers of usual size, large and small ones."""
    return some, *(some * real_type(some.dtype).type(2.0 ** power) for power in (40, -40))


def poisoned(a):
    """Only the lower triangle and the diagonal's real parts are good."""
    spoilt = np.where(np.tri(a.shape[-1], dtype=bool), a, np.nan)
    if np.iscomplexobj(a):
        spoilt = spoilt + 5j * np.eye(a.shape[-1])
    return spoilt.astype(a.dtype)


def unpoisoned(a):
    """The Hermitian matrix that is meant."""
    return hermitian(np.where(np.eye(a.shape[-1], dtype=bool), a.real, np.tril(a)).astype(a.dtype))


def singular_values(a):
    """NumPy's, whose own error is in double."""
    return np.linalg.svd(double(a), compute_uv=False)


def of_sort(array, number):
    """The tasks of stack()'s sort of this number."""
    return array.reshape(-1, *array.shape[2:])[number * COPIES:(number + 1) * COPIES]


# ---- running ----

class Run:
    """One run of a kernel: what went in, what came out."""

    def __init__(self, kernel, name, inputs, parameters):
        self.kernel, self.type, self.inputs, self.parameters = kernel, name, inputs, parameters
        self.dtype = np.dtype(DTYPES[name])
        self.outputs, self.status, self.info, self.process = (), None, None, None

    def __str__(self):
        shapes = ", ".join(str(x.shape) for x in self.inputs)
        return f"{self.kernel} of {self.type} {shapes} {self.parameters or ''}".rstrip()


class Described:
    """What `sheaf info KERNEL` says of a kernel."""

    def __init__(self, text):
        self.name, self.signature = text.splitlines()[0].split(" ", 1)
        self.outputs = re.search(r"^  outputs +(.*)$", text, re.MULTILINE)[1].replace("/", "").split()
        self.outputs = [] if self.outputs == ["none"] else self.outputs
        self.types = re.search(r"^  types +(.*)$", text, re.MULTILINE)[1].split()
        self.parameters = re.findall(r"^  --param (\w+)=", text, re.MULTILINE)

    def output_shapes(self, cores):
        """Of each output, by the signature; a name that inputs do not have is min(m, n) of the first one."""
        inputs, outputs = (re.findall(r"\(([^)]*)\)|(\.\.\.)", side) for side in self.signature.split("->"))
        extents = {}
        for (names, dots), core in zip(inputs, cores):
            if not dots:
                extents.update(zip(names.split(","), core))
        unknown = cores[-1][-1] if inputs[-1][1] else min(cores[0], default=None)
        return [tuple(extents.get(name, unknown) for name in names.split(",") if name) for names, _ in outputs]


class KernelTest(SheafTest):
    """A test of kernels, each against NumPy."""

    described = {}

    def describe(self, kernel):
        if kernel not in self.described:
            self.described[kernel] = Described(self.sheaf("info", kernel, ranks=0).out)
        return self.described[kernel]

    def types(self, kernel):
        return self.describe(kernel).types[-1 if REDUCED else 0:]

    def each(self, kernel, operands, check, shapes=((),), outputs=("same",), code=0, types=None, **parameters):
        """Run a kernel for each type and shape and check each run.

        operands(dtype, *shape) gives the inputs, arrays with two leading axes, or none where they are shared;
        check(run) looks at the results; `outputs` are the types that are expected of them: "same", "real" or "complex"
        of the inputs', or a name. Of shapes the reduced test takes the first.
        """
        runs = []
        for name in types or self.types(kernel):
            for shape in shapes[:1] if REDUCED else shapes:
                runs.append(Run(kernel, name, operands(np.dtype(DTYPES[name]), *shape), parameters))
        self.assertTrue(runs, kernel)
        started = []
        for number, run in enumerate(runs):
            started.append((number, run))
            self.begin(number, run)
            if len(started) == IN_FLIGHT:
                self.end(*started.pop(0), check, outputs, code)
        for number, run in started:
            self.end(number, run, check, outputs, code)

    def begin(self, number, run):
        self.write(f"in-{number}.h5", **{f"operand{i}": array for i, array in enumerate(run.inputs)})
        operands = [f"in-{number}.h5:/operand{i}" for i in range(len(run.inputs))]
        options = [f"--param={name}={value}" for name, value in run.parameters.items()]
        sessions = self.sessions / str(number)  # launchers that start together stumble over each other's
        sessions.mkdir(exist_ok=True)
        run.process = self.start("run", run.kernel, *operands, *options, "-o", f"out-{number}.h5", "--overwrite",
                                 environment={"TMPDIR": str(sessions)})

    def end(self, number, run, check, outputs, code):
        outcome = self.finish(run.process)
        with self.subTest(str(run)), np.errstate(all="ignore"):
            self.assertEqual(outcome.code, code, outcome)
            self.read_outputs(f"out-{number}.h5", run, outputs)
            if code == 0:
                self.assertTrue((run.status == TASK_DONE).all() and (run.info == 0).all(), outcome)
            check(run)

    def read_outputs(self, file_name, run, types):
        """Datasets of the documented names, types and shapes, and nothing else."""
        described = self.describe(run.kernel)
        cores, lead = self.split_shapes(described, run.inputs)
        shapes = described.output_shapes(cores)
        with h5py.File(self.path(file_name), "r") as file:
            self.assertEqual(sorted(file), sorted([*described.outputs, "sheaf"]))
            self.assertEqual(file["sheaf/runs"][0]["state"], RUN_FINISHED)
            run.outputs = tuple(file[name][...] for name in described.outputs)
            run.status, run.info = file["sheaf/status"][...], file["sheaf/info"][...]
        self.assertEqual(len(run.outputs), len(types))
        for name, array, shape, kind in zip(described.outputs, run.outputs, shapes, types):
            self.assertEqual((array.shape, array.dtype), (lead + shape, self.output_type(kind, run.dtype)), name)
        self.assertEqual(run.status.shape, (int(np.prod(lead, dtype=int)),))

    @staticmethod
    def split_shapes(described, inputs):
        """The core shape of each input, and the leading axes."""
        arguments = re.findall(r"\(([^)]*)\)|(\.\.\.)", described.signature.split("->")[0])
        lead, cores = (), []
        for i, array in enumerate(inputs):
            names = arguments[min(i, len(arguments) - 1)][0] or arguments[0][0]
            split = array.ndim - len(names.split(","))
            cores.append(array.shape[split:])
            lead = array.shape[:split] or lead
        return cores, lead

    @staticmethod
    def output_type(kind, dtype):
        if kind in ("same", "real"):
            return dtype if kind == "same" else real_type(dtype)
        return np.result_type(dtype, np.complex64) if kind == "complex" else np.dtype(DTYPES[kind])

    # ---- comparing ----

    def assertSmall(self, residual, bound, message, axes=(-2, -1)):
        """The norm of each task's residual is within its bound."""
        norm = frobenius(residual, axes)
        self.assertEqual(norm.shape, np.shape(bound), message)
        self.assertWithin(norm, np.zeros(norm.shape), bound, message)

    def assertOrthonormal(self, q, message):
        """Columns: ||Q^H Q - I|| <= RATIO m eps ||I||."""
        m, k = q.shape[-2:]
        bound = RATIO * m * epsilon(q.dtype) * np.sqrt(k)
        self.assertSmall(conjugate_transpose(wide(q)) @ wide(q) - np.eye(k), np.full(q.shape[:-2], bound), message)

    def assertZero(self, part, message):
        self.assertFalse(part.any(), f"{message}: not exactly 0")

    def assertSameNumbers(self, found, expected, message=""):
        """The very numbers of NumPy, NaN and infinity included."""
        np.testing.assert_array_equal(found, expected, message)
