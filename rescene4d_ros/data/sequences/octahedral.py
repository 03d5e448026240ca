"""Unit normals in two bytes: octahedral codes (Cigolle et al., JCGT 2014)."""

from __future__ import annotations

import numpy as np


def encode_normals(normals: np.ndarray) -> np.ndarray:
    """Return (N, 2) uint8 octahedral codes of (N, 3) unit normals."""
    n = normals.astype(np.float64)
    n = n / np.maximum(np.abs(n).sum(axis=1, keepdims=True), 1e-12)
    folded = (1 - np.abs(n[:, 1::-1])) * np.where(n[:, :2] >= 0, 1, -1)
    flat = np.where(n[:, 2:] < 0, folded, n[:, :2])
    return np.rint((flat + 1) * 127.5).astype(np.uint8)


def decode_normals(codes: np.ndarray) -> np.ndarray:
    """Return (N, 3) float32 unit normals of (N, 2) uint8 octahedral codes."""
    flat = codes.astype(np.float64) / 127.5 - 1
    z = 1 - np.abs(flat).sum(axis=1, keepdims=True)
    fold = np.maximum(-z, 0)
    xy = flat - np.where(flat >= 0, fold, -fold)
    n = np.concatenate([xy, z], axis=1)
    return (n / np.linalg.norm(n, axis=1, keepdims=True)).astype(np.float32)
