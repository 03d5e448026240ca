"""
Check the network on a GPU against the CPU, and measure it, where there are few packages.

    python scripts/gpu_checks.py [--device cuda|cpu] [--json FILE] [--small]

Prints one line per check and per measurement; the exit code is 1 if a check fails. Needs torch,
numpy, scipy, numba, safetensors and PyYAML. scripts/check_on_gpu_machine.sh runs it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
import json
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
from rescene4d_ros.cli.bench.throughput import Convolution, convolutions, least, measure
from rescene4d_ros.geometry.superpoints.cut import superpoints
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.profile import peak_memory, stage_costs, synchronize
from rescene4d_ros.inference.weights_file import default_weights, load_weights
from rescene4d_ros.losses import Criterion, LossConfig
from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.models.inputs import make_visit_input, VisitInput
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.sparse.convolutions import choose_backend
from rescene4d_ros.sparse.voxels import Voxels
from rescene4d_ros.structures import Scan
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rescene4d_ros.training.samples.augmented_samples import make_targets
import torch
from torch import nn

SEED = 77
FINE_CHANNELS = 24
SAME_GRADIENT = 0.999  # cosine of both, float32
SAME_GRADIENT_BF16 = 0.8
SAME_MASKS = 0.995  # share of equal decisions
BACKENDS = ('native', 'torchsparse')
PRODUCT_SIZE = {'cuda': 8192, 'cpu': 512}
COPIED_BYTES = {'cuda': 2**31, 'cpu': 2**27}


def clock() -> float:
    """Return seconds after the work of the GPU is done."""
    synchronize()
    return time.perf_counter()


def gradients(
    model: ReScene4D, visits: list[VisitInput], targets: Any, device: torch.device, bf16: bool
) -> torch.Tensor:
    """Return the gradient of the losses with respect to all weights, in one row, on the CPU."""
    model = model.to(device).train()
    model.zero_grad(set_to_none=True)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        output = model([v.to(device) for v in visits])
    fields = {
        k: t.float() if t.is_floating_point() else t
        for k, t in vars(output).items()
        if isinstance(t, torch.Tensor)
    }
    Criterion(LossConfig())(replace(output, **fields), targets.to(device))['total'].backward()
    return torch.cat(
        [
            (torch.zeros_like(p) if p.grad is None else p.grad).flatten().cpu().double()
            for p in model.parameters()
        ]
    )


def checks(
    model: ReScene4D, visits: list[VisitInput], targets: Any, device: torch.device
) -> dict[str, tuple[bool, float]]:
    """Return for each check whether it passes, and the number it is judged by."""
    cpu = torch.device('cpu')
    with torch.no_grad():
        here = model.to(cpu).eval()(visits).mask_logits[-1] > 0
        there = model.to(device)([v.to(device) for v in visits]).mask_logits[-1].cpu() > 0
    equal = float((here == there).float().mean())
    # Sets of voxels drawn at random would differ between devices; the first queries are kept too.
    model.decoder.config = replace(model.decoder.config, train_tokens=0)
    expected = gradients(model, visits, targets, cpu, False)
    same = partial(nn.functional.cosine_similarity, expected, dim=0)
    exact = float(same(gradients(model, visits, targets, device, False)))
    coarse = float(same(gradients(model, visits, targets, device, True)))
    return {
        'masks as on the CPU, share': (equal >= SAME_MASKS, equal),
        'gradients as on the CPU, cosine': (exact >= SAME_GRADIENT, exact),
        'gradients in bf16, cosine': (coarse >= SAME_GRADIENT_BF16, coarse),
    }


def machine_rates(device: torch.device, repeats: int) -> dict[str, float]:
    """Return floating point operations and bytes per second of large products and copies."""
    n, rates = PRODUCT_SIZE[device.type], {}
    for name, dtype in (('float32', torch.float32), ('bf16', torch.bfloat16)):
        a = torch.randn(n, n, device=device, dtype=dtype)
        rates[f'{name}_flop_per_s'] = 2 * n**3 / least(repeats, partial(torch.mm, a, a), clock)
    source = torch.empty(COPIED_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = least(repeats, lambda: target.copy_(source), clock)
    return rates | {'bytes_per_s': 2 * len(source) / seconds}


def roofline_s(layer: Convolution, rates: dict[str, float]) -> float:
    """Return the least time of a forward pass: of its products, or of reading and writing once."""
    n_out = len(layer.voxels) if layer.n_in != len(layer.voxels) else layer.n_in
    numbers = layer.n_in * layer.ci + n_out * layer.co + layer.module.kernel.numel()
    return max(layer.flop / rates['float32_flop_per_s'], 4 * numbers / rates['bytes_per_s'])


def bench_convolutions(
    scan: Scan, config: Any, device: torch.device, repeats: int
) -> dict[str, dict[str, float] | str]:
    """Measure the convolutions of the U-Net with each backend; a text where it cannot run."""
    visit = make_visit_input(scan, np.zeros(len(scan), int), replace(config, voxel_size=0.04))
    rates = machine_rates(device, repeats)
    found: dict[str, dict[str, float] | str] = {'machine': rates}
    for backend in BACKENDS:
        chosen, reason = choose_backend(backend, device.type)
        if chosen != backend:
            found[backend] = reason
            continue
        voxels = Voxels.build(nn.functional.pad(visit.coords, (1, 0)).to(device), backend)
        unet = SparseUNet(visit.feats.shape[1], PRESETS['small']).to(device)
        feats = voxels.sort(visit.feats.to(device))
        least_s = sum(roofline_s(layer, rates) for layer in convolutions(unet, feats, voxels))
        measured = measure(unet, feats, voxels, repeats, clock)
        forward = measured['forward']
        found[backend] = {
            'voxels': len(voxels),
            'forward_s': forward.convolutions_s,
            'forward_backward_s': measured['forward_backward'].convolutions_s,
            'share_of_products': forward.share,
            'share_of_roofline': least_s / forward.convolutions_s,
        }
    return found


def made_visits(
    model: ReScene4D, info: Any, n_objects: int
) -> tuple[list[Scan], list[VisitInput], Any]:
    """Return two visits of a made room: scans, network input, and targets."""
    config = RoomsConfig(min_objects=n_objects, max_objects=n_objects, p_hidden_zone=0.0)
    made: tuple[Any, SequenceTruth] = make_sequence(SEED, config)
    scans, truth = list(made[0].scans), made[1]
    visits = [
        make_visit_input(s, superpoints(s.xyz, s.normals, s.rgb, info.superpoints), model.config)
        for s in scans
    ]
    classes = {o.instance_id: o.class_id for v in truth.visits for o in v.objects}
    instances = [v.instance for v in truth.visits]
    return scans, visits, make_targets(visits, instances, classes, model.config.n_classes)


def told(name: str, work: Callable[[], Any]) -> Any:
    """Return the result of some work, and print it."""
    found = work()
    print(f'{name}: {json.dumps(found)}', flush=True)
    return found


def main() -> int:
    """Run all checks and measurements."""
    parser = argparse.ArgumentParser(description='Check and measure the network on a GPU.')
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    parser.add_argument('--json', type=Path, metavar='FILE', help='file for all numbers')
    parser.add_argument('--small', action='store_true', help='a small room, to try the script')
    options = parser.parse_args()
    device = torch.device(options.device)
    repeats = 1 if options.small else 5
    if options.small:
        torch.set_num_threads(1)
    given, info = load_weights(default_weights())
    torch.manual_seed(SEED)
    model = ReScene4D(replace(given.config, fine_level_channels=FINE_CHANNELS, train_tokens=0))
    model.load_state_dict(given.state_dict(), strict=False)
    scans, visits, targets = made_visits(model, info, 3 if options.small else 20)
    results = told('checks', lambda: checks(model, visits, targets, device))
    inference = InferenceConfig(device=options.device, torch_threads=torch.get_num_threads())
    document = {
        'torch': torch.__version__,
        'device': torch.cuda.get_device_name() if options.device == 'cuda' else 'cpu',
        'points': [len(s) for s in scans],
        'checks': results,
        'convolution': told(
            'convolution', lambda: bench_convolutions(scans[0], model.config, device, repeats)
        ),
        'stages_s': told(
            'stages', lambda: stage_costs(inference, scans, repeats, time.perf_counter)
        ),
        'peak_gib': told('peak memory', lambda: peak_memory(inference, scans)),
    }
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + '\n')
    failed = [name for name, (is_good, _) in results.items() if not is_good]
    print('all checks pass' if not failed else f'failed: {"; ".join(failed)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
