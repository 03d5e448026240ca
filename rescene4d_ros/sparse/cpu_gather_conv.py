"""
Sparse convolution for the CPU: gather, multiply, sum per tile, in preallocated buffers.

Per tile of output rows and per kernel offset the input rows are gathered and multiplied into
one buffer; one embedding_bag then sums each output row's products. Nothing is scattered, so the
result does not depend on threads, and no temporary is large enough to be mapped anew each call.
"""

from __future__ import annotations

import threading

from rescene4d_ros.sparse.kernel_map import KernelMap
import torch
import torch.nn.functional as F

_buffers = threading.local()


def _workspace(name: str, rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """Return a (rows, columns) buffer of this thread; its content is undefined."""
    held = _buffers.__dict__.setdefault('held', {})
    key = (name, like.dtype)
    if key not in held or held[key].numel() < rows * columns:
        held[key] = like.new_empty(rows * columns)
    return held[key][: rows * columns].view(rows, columns)


def convolve(x: torch.Tensor, weight: torch.Tensor, kmap: KernelMap) -> torch.Tensor:
    """
    Return y[o] = sum over k of x[table[k, o]] @ weight[k].

    Parameters
    ----------
    x : Tensor (V_in, Ci)
    weight : Tensor (K, Ci, Co)
    kmap : KernelMap

    Returns
    -------
    Tensor (V_out, Co)

    """
    y = x.new_empty(kmap.n_out, weight.shape[2])
    for tile in kmap.tiles:
        products = _workspace('products', len(tile.in_rows), weight.shape[2], x)
        for k, first, last in tile.runs:
            gathered = _workspace('gathered', last - first, x.shape[1], x)
            torch.index_select(x, 0, tile.in_rows[first:last], out=gathered)
            torch.mm(gathered, weight[k], out=products[first:last])
        _sum_rows(y, x, weight, kmap, tile, products)
    return y


def gradients(
    grad: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    transposed: KernelMap,
    mirror: bool,
    want_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """
    Return the gradients of `convolve` for its input and its weight.

    Parameters
    ----------
    grad : Tensor (V_out, Co)
        Gradient of the output.
    x : Tensor (V_in, Ci)
    weight : Tensor (K, Ci, Co)
    transposed : KernelMap
        From output rows to input rows.
    mirror : bool
        Whether offset k of the transposed map is offset K - 1 - k of the weight.
    want_x : bool
        Whether the input's gradient is asked for (else None).

    Returns
    -------
    grad_x : Tensor (V_in, Ci) or None
    grad_weight : Tensor (K, Ci, Co)

    """
    back = weight.transpose(1, 2)
    grad_x = torch.empty_like(x) if want_x else None
    grad_weight = torch.zeros_like(weight)
    ci, co = x.shape[1], grad.shape[1]
    for tile in transposed.tiles:
        products = _workspace('products', len(tile.in_rows), ci, x) if want_x else None
        for k_back, first, last in tile.runs:
            k = len(weight) - 1 - k_back if mirror else k_back
            grads = _workspace('gathered', last - first, co, x)
            inputs = _workspace('inputs', last - first, ci, x)
            torch.index_select(grad, 0, tile.in_rows[first:last], out=grads)
            torch.index_select(x, 0, tile.out_rows[first:last], out=inputs)
            grad_weight[k].addmm_(inputs.t(), grads)
            if want_x:
                torch.mm(grads, back[k], out=products[first:last])
        rows = slice(tile.start, tile.stop)
        if transposed.identity is not None:
            grad_weight[transposed.identity].addmm_(x[rows].t(), grad[rows])
        if want_x:
            _sum_rows(grad_x, grad, back, transposed, tile, products)
    return grad_x, grad_weight


def _sum_rows(y, x, weight, kmap, tile, products) -> None:
    """Write the tile's output rows: the sum of their products, plus the identity offset."""
    rows = slice(tile.start, tile.stop)
    summed = F.embedding_bag(
        tile.bag, products, tile.bag_offsets, mode='sum', include_last_offset=True
    )
    if kmap.identity is None:
        y[rows] = summed
    else:
        torch.addmm(summed, x[rows], weight[kmap.identity], out=y[rows])
