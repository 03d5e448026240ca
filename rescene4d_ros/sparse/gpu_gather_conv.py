"""
Sparse convolution for GPUs: gather whole neighborhoods, then one large GEMM per chunk.

Few launches and large matrices; the chunks bound the memory of the gathered rows.
"""

from __future__ import annotations

from rescene4d_ros.sparse.kernel_map import KernelMap
import torch

CHUNK_BYTES = 512 * 2**20


def _chunks(kmap: KernelMap, channels: int, element_size: int):
    """Yield runs of output rows whose gathered neighborhoods fit the memory bound."""
    rows = max(1, CHUNK_BYTES // (len(kmap.table) * channels * element_size))
    for start in range(0, kmap.n_out, rows):
        yield slice(start, min(start + rows, kmap.n_out))


def _neighborhoods(x: torch.Tensor, kmap: KernelMap, rows: slice) -> torch.Tensor:
    """Return the inputs of the output rows side by side, (R, K * C); zeros where none."""
    index = kmap.table[:, rows].t().long()
    padded = torch.cat((x, x.new_zeros(1, x.shape[1])))
    gathered = padded.index_select(0, torch.where(index < 0, len(x), index).flatten())
    return gathered.view(index.shape[0], -1)


def convolve(x: torch.Tensor, weight: torch.Tensor, kmap: KernelMap) -> torch.Tensor:
    """Return y[o] = sum over k of x[table[k, o]] @ weight[k]; arguments as in `bag.convolve`."""
    y = x.new_empty(kmap.n_out, weight.shape[2])
    flat = weight.reshape(-1, weight.shape[2])
    for rows in _chunks(kmap, x.shape[1], x.element_size()):
        torch.mm(_neighborhoods(x, kmap, rows), flat, out=y[rows])
    return y


def gradients(
    grad: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    transposed: KernelMap,
    mirror: bool,
    want_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Return the gradients of `convolve`; arguments and results as in `bag.gradients`."""
    k, ci, co = weight.shape
    back = weight.flip(0).transpose(1, 2) if mirror else weight.transpose(1, 2)
    flat = back.reshape(k * co, ci)
    grad_x = torch.empty_like(x) if want_x else None
    grad_back = weight.new_zeros(ci, k * co)
    for rows in _chunks(transposed, co, x.element_size()):
        grads = _neighborhoods(grad, transposed, rows)
        grad_back.addmm_(x[rows].t(), grads)
        if want_x:
            torch.mm(grads, flat, out=grad_x[rows])
    grad_back = grad_back.view(ci, k, co).transpose(0, 1)
    return grad_x, grad_back.flip(0) if mirror else grad_back.contiguous()
