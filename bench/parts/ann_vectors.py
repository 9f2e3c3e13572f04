"""Vectors in files, for the programs of `./dev bench ann` that run in the peers' environment (NumPy): .fvecs, .ivecs, .npy."""
import hashlib
from pathlib import Path

import numpy as np

CHUNK_ROWS = 50_000


def write_rows(path, chunks):
    """Rows of int32 or float32 as .ivecs or .fvecs: each its width, then its values. Returns how many there were."""
    rows = 0
    with open(path, "wb") as file:
        for chunk in chunks:
            if chunk.itemsize != 4:
                raise ValueError(f"{path}: values of 4 bytes, not {chunk.dtype}")
            out = np.empty((len(chunk), chunk.shape[1] + 1), np.int32)
            out[:, 0] = chunk.shape[1]
            out[:, 1:] = chunk.view(np.int32)
            out.tofile(file)
            rows += len(chunk)
    return rows


def in_chunks(matrix, rows=CHUNK_ROWS):
    return (np.ascontiguousarray(matrix[at:at + rows]) for at in range(0, len(matrix), rows))


def mapped(path):
    """A file of rows as a matrix that is read as it is used: float32 (.fvecs), int32 (.ivecs), or what a .npy holds."""
    path = Path(path)
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r")
    width = int(np.fromfile(path, np.int32, 1)[0])
    kind = np.float32 if path.suffix == ".fvecs" else np.int32
    return np.memmap(path, kind, "r").reshape(-1, width + 1)[:, 1:]


def base_path(folder):
    """Of a set: .npy (f16) where .fvecs would be too large."""
    return next(path for name in ("base.fvecs", "base.npy") if (path := Path(folder) / name).exists())


def load(path, rows=None):
    return np.ascontiguousarray(mapped(path)[:rows], dtype=None if Path(path).suffix == ".ivecs" else np.float32)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
