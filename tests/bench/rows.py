"""The rows of the table: what is computed, on which input, and beside which limits."""

import dataclasses
import sys

import h5py
import numpy as np

import many
import mixed
from common import available_memory, call

BLOCK_BYTES = 64 << 20


@dataclasses.dataclass
class Row:
    name: str
    kernel: str
    count: int
    size: int         # rows and columns, of unequal ones the most; of sqdiff, elements
    quick: tuple      # count and size of the tiny run
    operands: tuple = ("a",)
    form: str = "stack"  # as a peer's job has it
    limits: tuple = ("bare",)
    text: str = ""
    least: int = 64   # rows and columns of unequal ones

    def describe(self):
        if self.text:
            return self.text.format(self)
        shape = f"{self.size}" if self.kernel == "sqdiff" else f"{self.size}x{self.size}"
        return f"{self.kernel}, {self.count:,} of {shape}"

    def matrix_bytes(self):
        """Of one operand, or one output as large."""
        if self.form == "unequal":
            return 8 * int((mixed_sizes(self).astype(np.int64)**2).sum())
        return 8 * self.count * self.size * (1 if self.kernel == "sqdiff" else self.size)

    def result_bytes(self):
        """How much the results take, roughly: as much memory is made ready before each run."""
        return self.matrix_bytes() * {"sqdiff": 0, "det": 0, "noop": 0, "svd": 2}.get(self.kernel, 1)

    def memory_bytes(self):
        """What NumPy needs at once, roughly: input and results as files and as arrays, and Sheaf's results to compare with."""
        return 2 * len(self.operands) * self.matrix_bytes() + 3 * self.result_bytes()


PAIR = ("a", "b")
ROWS = [
    Row("large", "matmul", 40, 2000, (4, 100), PAIR, limits=("bare", "move")),
    Row("small-64", "matmul", 20000, 64, (40, 16), PAIR, limits=("bare", "move")),
    Row("small-8", "matmul", 1000000, 8, (500, 8), PAIR, limits=("bare", "move")),
    Row("inv-16", "inv", 100000, 16, (100, 16), limits=("bare", "move")),
    Row("cholesky-16", "cholesky", 100000, 16, (100, 16), limits=("bare", "move")),
    Row("svd", "svd", 2000, 64, (20, 16)),
    Row("eigh", "eigh", 1000, 200, (6, 20)),
    Row("sqdiff", "sqdiff", 20, 10**7, (4, 10000), PAIR, limits=("stream",), text="sqdiff of int64, {0.count} of {0.size:,}"),
    Row("mixed", "matmul", 500, 3000, (12, 200), PAIR, "unequal", ("least",), "matmul, {0.count} of {0.least}x{0.least} to {0.size}x{0.size}"),
    Row("many", "inv", 100000, 16, (60, 8), ("d",), "set", ("bare", "move"), text="inv, {0.count:,} datasets of {0.size}x{0.size}"),
    Row("dispatch", "noop", 400000, 1, (400, 1), limits=(), text="{0.count:,} tasks of nothing, one by one"),
    Row("dispatch-chunks", "noop", 10**8, 1, (10**5, 1), limits=(), text="{0.count:,} tasks of nothing, in chunks"),
]


def fit_memory(row, available):
    """Fewer tasks where there is not memory for all."""
    while row.count > 1 and row.memory_bytes() > 0.75 * available:
        row.count //= 2


def add_options(parser, table):
    parser.add_argument("--rows", help=f"some of {','.join(row.name for row in table)}")
    parser.add_argument("--quick", action="store_true", help="tiny inputs, one round: only to see that everything works")


def choose(a, table):
    """The rows that the options ask for, as large as they and memory have it."""
    names = a.rows.split(",") if a.rows else [row.name for row in table]
    unknown = set(names) - {row.name for row in table}
    if unknown:
        sys.exit(f"no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in table)}")
    chosen = [row for row in table if row.name in names]
    for row in chosen:
        if a.quick:
            row.count, row.size = row.quick
        fit_memory(row, available_memory())
    return chosen


def mixed_sizes(row):
    return mixed.draw_sizes(row.count, min(row.least, row.size), row.size, 1)


def definite(generator, count, size):
    """Symmetric, and by Gershgorin far from singular: for inv, cholesky and eigh alike."""
    matrices = generator.random((count, size, size))
    return (matrices + matrices.swapaxes(1, 2)) / 2 + size * np.eye(size)


def make_input(row, sheaf, env, path):
    if row.kernel in ("matmul", "svd", "det") and row.form == "stack":
        operands = [f"{operand}=random:{row.size}x{row.size}" for operand in row.operands]
        call([sheaf, "make", path, *operands, "--count", str(row.count), "--progress", "none"], env)
        return
    if row.form == "unequal":
        mixed.make_input(path, mixed_sizes(row))
        return
    if row.form == "set":
        many.make_input(path, row.count, row.size)
        return
    generator = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        if row.kernel == "sqdiff":
            for operand in row.operands:
                stack = file.create_dataset(operand, (row.count, row.size), "i8")
                for i in range(row.count):
                    stack[i] = generator.integers(-1000, 1000, row.size)
        else:
            file[row.operands[0]] = definite(generator, row.count, row.size)


def meaning(kernel, outputs):
    """What two libraries must agree in: signs of vectors are free."""
    if kernel == "svd":
        u, s, vt = outputs
        return [s, (u * s[..., None, :]) @ vt]
    if kernel == "eigh":
        w, v = outputs
        return [w, (v * w[..., None, :]) @ v.swapaxes(-1, -2)]
    return outputs


def differs(row, outputs, sheaf_path, peer_path):
    """Where the peer's results are not Sheaf's, or None."""
    with h5py.File(sheaf_path) as sheaf, h5py.File(peer_path) as peer:
        for name in sheaf["result"] if row.form == "unequal" else [None]:
            ours, theirs = ([file[output][name] if name else file[output] for output in outputs] for file in (sheaf, peer))
            if [x.shape for x in ours] != [x.shape for x in theirs]:
                return f"{name or 'results'}: {[x.shape for x in theirs]}, Sheaf's are {[x.shape for x in ours]}"
            step = max(1, BLOCK_BYTES * len(ours[0]) // max(x.nbytes for x in ours))
            for first in range(0, len(ours[0]), step):
                a, b = (meaning(row.kernel, [x[first:first + step] for x in files]) for files in (ours, theirs))
                for x, y in zip(a, b):
                    if not np.allclose(x, y, rtol=1e-9, atol=1e-9 * np.abs(x).max()):
                        return f"{name or 'results'} from {first} on: they are not Sheaf's"
    return None
