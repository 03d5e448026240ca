"""
Sparse convolution by gathering rows and multiplying them, for CPU and GPU.

On a CPU, per tile of output rows and per kernel offset the input rows are gathered and multiplied
into one buffer; one embedding_bag then sums each output row's products. Nothing is scattered, so
the result does not depend on threads, and no temporary is large enough to be mapped again in each
call. With AVX-512, oneDNN multiplies: MKL, which torch.mm calls, uses it on Intel's processors
only and takes twice as long on AMD's. On a GPU whole neighborhoods are gathered and multiplied by
one large GEMM per chunk: few launches and large matrices; the chunks bound the memory of the
gathered rows.
"""

from __future__ import annotations

from functools import cache
import threading

from rescene4d_ros.sparse.kernel_map import KernelMap
import torch
import torch.nn.functional as F

_buffers = threading.local()

# oneDNN compiles a kernel for each new number of rows (0.4 ms), so rows are padded to a multiple.
ROW_STEP = 64
ONEDNN_FROM = 2**20  # multiplications; the call of smaller products costs more than it saves


@cache
def _has_onednn() -> bool:
    """Return whether oneDNN multiplies float32 matrices here, and with AVX-512."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == 'AVX512'
        and hasattr(torch.ops.mkldnn, '_linear_pointwise')
    )


def _by_onednn(rows: int, weight: torch.Tensor) -> bool:
    """Return whether to multiply so many rows by the weight (Ci, Co) with oneDNN."""
    return weight.dtype == torch.float32 and rows * weight.numel() >= ONEDNN_FROM and _has_onednn()


def _onednn_product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return rows (R, Ci) @ weight (Ci, Co); float32."""
    return torch.ops.mkldnn._linear_pointwise(rows, weight.t(), None, 'none', [], '')


def _gather(name: str, x: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x[index] in a buffer, and the buffer with rows of any content up to a full step."""
    n = len(index)
    padded = _workspace(name, -(-n // ROW_STEP) * ROW_STEP, x.shape[1], x)
    return torch.index_select(x, 0, index, out=padded[:n]), padded


def _multiply(
    gathered: torch.Tensor, padded: torch.Tensor, weight: torch.Tensor, out: torch.Tensor
) -> None:
    """Write the gathered rows (R, Ci) @ weight (Ci, Co) to out (R, Co)."""
    if _by_onednn(len(gathered), weight):
        out.copy_(_onednn_product(padded, weight)[: len(gathered)])
    else:
        torch.mm(gathered, weight, out=out)


def _workspace(name: str, rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """Return a (rows, columns) buffer of this thread; its content is undefined."""
    held = _buffers.__dict__.setdefault('held', {})
    key = (name, like.dtype)
    if key not in held or held[key].numel() < rows * columns:
        held[key] = like.new_empty(rows * columns)
    return held[key][: rows * columns].view(rows, columns)


def convolve(x: torch.Tensor, weight: torch.Tensor, kmap: KernelMap) -> torch.Tensor:
    """
    Return y[o] = sum over k of x[table[k, o]] @ weight[k], by the method for the tensors' device.

    Parameters
    ----------
    x : Tensor (V_in, Ci)
    weight : Tensor (K, Ci, Co)
    kmap : KernelMap

    Returns
    -------
    Tensor (V_out, Co)

    """
    by = convolve_by_tiles if x.device.type == 'cpu' else convolve_by_chunks
    return by(x, weight, kmap)


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
        Whether to compute the gradient of the input (else None).

    Returns
    -------
    grad_x : Tensor (V_in, Ci) or None
    grad_weight : Tensor (K, Ci, Co)

    """
    by = gradients_by_tiles if x.device.type == 'cpu' else gradients_by_chunks
    return by(grad, x, weight, transposed, mirror, want_x)


def convolve_by_tiles(x: torch.Tensor, weight: torch.Tensor, kmap: KernelMap) -> torch.Tensor:
    """Return the result of `convolve`, tile by tile; fast on a CPU."""
    y = x.new_empty(kmap.n_out, weight.shape[2])
    for tile in kmap.tiles:
        products = _workspace('products', len(tile.in_rows), weight.shape[2], x)
        for k, first, last in tile.runs:
            gathered = _gather('gathered', x, tile.in_rows[first:last])
            _multiply(*gathered, weight[k], products[first:last])
        _sum_rows(y, x, weight, kmap, tile, products)
    return y


def gradients_by_tiles(
    grad: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    transposed: KernelMap,
    mirror: bool,
    want_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Return the result of `gradients`, tile by tile."""
    back = weight.transpose(1, 2)
    grad_x = torch.empty_like(x) if want_x else None
    grad_weight = torch.zeros_like(weight)
    ci = x.shape[1]
    for tile in transposed.tiles:
        products = _workspace('products', len(tile.in_rows), ci, x) if want_x else None
        for k_back, first, last in tile.runs:
            k = len(weight) - 1 - k_back if mirror else k_back
            grads, padded = _gather('gathered', grad, tile.in_rows[first:last])
            inputs, _ = _gather('inputs', x, tile.out_rows[first:last])
            grad_weight[k].addmm_(inputs.t(), grads)
            if products is not None:
                _multiply(grads, padded, back[k], products[first:last])
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
        return
    own, kernel = x[rows], weight[kmap.identity]
    if len(own) % ROW_STEP == 0 and _by_onednn(len(own), kernel):
        torch.add(summed, _onednn_product(own, kernel), out=y[rows])
    else:
        torch.addmm(summed, own, kernel, out=y[rows])


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


def convolve_by_chunks(x: torch.Tensor, weight: torch.Tensor, kmap: KernelMap) -> torch.Tensor:
    """Return the result of `convolve`, chunk by chunk; fast on a GPU."""
    y = x.new_empty(kmap.n_out, weight.shape[2])
    flat = weight.reshape(-1, weight.shape[2])
    for rows in _chunks(kmap, x.shape[1], x.element_size()):
        torch.mm(_neighborhoods(x, kmap, rows), flat, out=y[rows])
    return y


def gradients_by_chunks(
    grad: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    transposed: KernelMap,
    mirror: bool,
    want_x: bool,
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Return the result of `gradients`, chunk by chunk."""
    k, ci, co = weight.shape
    back = weight.flip(0).transpose(1, 2) if mirror else weight.transpose(1, 2)
    flat = back.reshape(k * co, ci)
    grad_x = torch.empty_like(x) if want_x else None
    grad_back = weight.new_zeros(ci, k * co)
    for rows in _chunks(transposed, co, x.element_size()):
        grads = _neighborhoods(grad, transposed, rows)
        grad_back.addmm_(x[rows].t(), grads)
        if grad_x is not None:
            torch.mm(grads, flat, out=grad_x[rows])
    grad_back = grad_back.view(ci, k, co).transpose(0, 1)
    return grad_x, grad_back.flip(0) if mirror else grad_back.contiguous()
