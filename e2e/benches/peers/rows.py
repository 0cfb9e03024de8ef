"""Reads the harness's row files: two little-endian u64 (rows, features), f32 row after row, one u8 a label."""

import numpy as np


def read(path):
    rows, width = (int(it) for it in np.fromfile(path, dtype="<u8", count=2))
    values = np.fromfile(path, dtype="<f4", count=rows * width, offset=16).reshape(rows, width)
    labels = np.fromfile(path, dtype=np.uint8, offset=16 + 4 * rows * width)
    return values, labels


def read_all(paths):
    parts = [read(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([it[0] for it in parts]), np.concatenate([it[1] for it in parts])
