"""compare_products.py BEAMS REFERENCE RESULT...: the products in REFERENCE are right (by NumPy), and each RESULT holds
the same bytes. That alone would not do: results that nobody wrote read as zeros, and equal zeros are equal."""
import sys

import h5py
import numpy as np

beams, reference, *results = sys.argv[1:]
with h5py.File(beams) as file:
    a, b = file["a"][...], file["b"][...]
with h5py.File(reference) as file:
    products = file["result"][...]

# |fl(AB) - AB| <= gamma_k |A||B| for any order of summation (Higham, Accuracy and Stability, 3.13), for NumPy as for us.
bound = 2 * 1.01 * a.shape[-1] * np.finfo(a.dtype).eps / 2 * (np.abs(a) @ np.abs(b))
wrong = ~(np.abs(products - a @ b) <= bound)
if products.shape != bound.shape or wrong.any():
    sys.exit(f"{reference}: {wrong.sum()} of {wrong.size} elements differ from NumPy's by more than rounding")
for name in results:
    with h5py.File(name) as file:
        result = file["result"][...]
    if result.shape != products.shape or result.dtype != products.dtype:
        sys.exit(f"{name}: {result.dtype} {result.shape}, expected {products.dtype} {products.shape}")
    if result.tobytes() != products.tobytes():
        tasks = np.flatnonzero((result != products).any(axis=(-2, -1)))
        sys.exit(f"{name}: differs from {reference} in {len(tasks)} tasks, the first is {tasks[0] if len(tasks) else '?'}")
print(f"{len(results)} results equal {reference}, bit for bit")
