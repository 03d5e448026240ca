"""`rescene4d bench segmenter`: stages, cached visits, memory and sparse convolution."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
import json
from multiprocessing import get_context
from pathlib import Path
import platform
import tempfile

import numpy as np
from rescene4d_ros import __version__
from rescene4d_ros.cli.bench.bench_libraries import library_table, measure_libraries
from rescene4d_ros.cli.bench.clocks import add_clock, CLOCKS
from rescene4d_ros.cli.bench.sparse_libraries import LIBRARIES
from rescene4d_ros.cli.bench.throughput import convolutions, measure, Rate
from rescene4d_ros.cli.console import TextConsole
from rescene4d_ros.cli.flags import setting
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.bags.snapshots import read_snapshots
from rescene4d_ros.errors import ConfigError, ScanError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.profile import peak_memory, stage_costs, synchronize
from rescene4d_ros.inference.segmenter import Segmenter, STAGES
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.models.backbones import point_transformer
from rescene4d_ros.models.backbones.unet import PRESETS, SparseUNet
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input, N_CHANNELS
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.sparse.voxels import Voxels
from rescene4d_ros.structures import Scan
from rescene4d_ros.tracking.settings import TrackerConfig
from rich.table import Table
import torch

VISITS_IN_MEMORY = (2, 4)
BACKBONES = (*PRESETS, *point_transformer.PRESETS)
FULL_SIZED = tuple(name for name in point_transformer.PRESETS if name != 'ptv3-tiny')
OF_THE_NETWORK = ('encode', 'share_time', 'decode')


def add_arguments(segmenter: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    segmenter.add_argument(
        '--bag',
        type=Path,
        default=Path('data/sample'),
        help='bag with at least two visits to segment',
    )
    segmenter.add_argument('--weights', default='', help='default: those of the package')
    segmenter.add_argument(
        '--backbone',
        choices=BACKBONES,
        metavar='NAME',
        help='measure a network of random weights with this backbone instead',
    )
    segmenter.add_argument(
        '--set',
        dest='settings',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='a setting of ModelConfig for --backbone, such as voxel_size=0.04; may be repeated',
    )
    segmenter.add_argument(
        '--queries',
        type=int,
        default=InferenceConfig.queries,
        help='number of queries (%(default)s); 0 = as in training, of random weights as published '
        '(100)',
    )
    segmenter.add_argument('--device', choices=('auto', 'cpu', 'cuda'), default='auto')
    segmenter.add_argument('--threads', type=int, default=2, help='of torch')
    segmenter.add_argument('--repeats', type=int, default=3, help='runs; the fastest counts')
    segmenter.add_argument(
        '--unet',
        choices=PRESETS,
        default='small',
        help='U-Net of the convolutions that are compared with matrix products',
    )
    segmenter.add_argument(
        '--voxel-size',
        type=float,
        default=0.04,
        metavar='M',
        help='voxel size of the cloud for the U-Net',
    )
    segmenter.add_argument(
        '--against',
        nargs='+',
        choices=LIBRARIES,
        default=(),
        help='libraries to compare on the same convolutions, alternately and each in its own '
        'process, on the CPU, without --backbone; a missing one is reported',
    )
    add_clock(segmenter)
    segmenter.add_argument('--json', type=Path, metavar='FILE', help='file for all numbers')


def run(options: argparse.Namespace) -> int:
    """Measure, print the tables, and write them if requested."""
    with tempfile.TemporaryDirectory() as folder:
        weights = _weights(options, Path(folder))
        _measure(
            options,
            make(
                InferenceConfig,
                {
                    'weights': weights,
                    'device': options.device,
                    'torch_threads': options.threads,
                    'queries': options.queries,
                },
            ),
        )
    return 0


def _weights(options: argparse.Namespace, folder: Path) -> str:
    """Return the weights file to measure; random weights are written into the folder."""
    if options.backbone is None:
        if options.weights or not options.settings:
            return options.weights
        raise ConfigError(
            '--set: expected --backbone as well, got none; settings of weights are stored in '
            'their file'
        )
    if options.weights:
        raise ConfigError(
            f'--backbone: expected no --weights, got {options.weights}; give one of them'
        )
    if options.against:
        raise ConfigError(
            '--against: expected no --backbone, got '
            f'{options.backbone}; libraries are compared over the convolutions of '
            'the U-Net that --unet names, leave --backbone out'
        )
    features = 'sonata' if options.backbone in FULL_SIZED else 'local'
    config = make(
        ModelConfig,
        {
            'backbone': options.backbone,
            'features': features,
            'in_channels': N_CHANNELS[features],
            **dict(map(setting, options.settings)),
        },
    )
    torch.manual_seed(0)
    info = WeightsInfo(tuple(f'class {k}' for k in range(config.n_classes)))
    save_weights(folder / 'random.safetensors', ReScene4D(config), info)
    return str(folder / 'random.safetensors')


def _measure(options: argparse.Namespace, config: InferenceConfig) -> None:
    """Measure one weights file."""
    scans = [scan for scan, _ in read_snapshots(options.bag)]
    if len(scans) < 2:
        raise ScanError(
            f'{options.bag}: expected at least two visits, got {len(scans)}; give a '
            'bag of one place at several times'
        )
    console, clock = TextConsole(), CLOCKS[options.clock]
    progress = TextConsole(stderr=True)
    with progress.status('stages'):
        costs = stage_costs(config, scans[:2], options.repeats, clock)
    console.print(_stage_table(costs, scans[:2]))
    with progress.status('memory'):
        peaks = {n: _peak_memory(config, scans, n) for n in VISITS_IN_MEMORY}
    network = {way: sum(costs[way][stage] for stage in OF_THE_NETWORK) for way in costs}
    high, low = peaks[4], peaks[2]
    ratios = {
        'one_cached_over_anew': costs['one_cached']['total'] / costs['anew']['total'],
        'network_one_cached_over_anew': network['one_cached'] / network['anew'],
        'peak_of_4_over_2': None if high is None or not low else high / low,
    }
    console.print(
        'a new visit beside a cached one over both anew: '
        f'{ratios["one_cached_over_anew"]:.2f}; the network alone: '
        f'{ratios["network_one_cached_over_anew"]:.2f}'
    )
    if ratios['peak_of_4_over_2']:
        console.print(
            f'peak memory of 4 cached visits over 2: {ratios["peak_of_4_over_2"]:.2f} '
            f'({peaks[4]:.2f} and {peaks[2]:.2f} GiB)'
        )
    document = {
        'version': __version__,
        'torch': torch.__version__,
        'device': str(_device(options)),
        'machine': platform.processor() or platform.machine(),
        'threads': options.threads,
        'clock': options.clock,
        'backbone': options.backbone,
        'settings': options.settings,
        'queries': options.queries,
        'points': [len(s) for s in scans[:2]],
        'stages_s': costs,
        'peak_gib': peaks,
        'ratios': ratios,
    }
    if options.backbone is None:
        document |= _beside_the_stages(options, config, scans, console, progress)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + '\n')
        print(options.json)


def _device(options: argparse.Namespace) -> torch.device:
    """Return the device of the network."""
    return torch.device('cuda' if torch.cuda.is_available() and options.device != 'cpu' else 'cpu')


def _beside_the_stages(
    options: argparse.Namespace,
    config: InferenceConfig,
    scans: list[Scan],
    console: TextConsole,
    progress: TextConsole,
) -> dict:
    """Measure what does not depend on the weights, or needs trained ones."""
    clock, device = CLOCKS[options.clock], _device(options)
    with progress.status('a visit into the memory'):
        into_memory = _visit_into_memory(config, scans, clock)
    console.print(f'a visit into the memory, its commit included: {into_memory:.2f} s')
    unet, feats, voxels = _unet(options, scans[0])
    with progress.status('sparse convolution'):
        rates = measure(
            unet.to(device),
            feats.to(device),
            voxels.to(device),
            options.repeats,
            partial(_once_done, clock),
        )
    console.print(_rate_table(rates, options))
    against = {}
    if options.against:
        layers = convolutions(unet.cpu(), feats, voxels)
        with progress.status('libraries'):
            for name, found in measure_libraries(
                options.against, layers, options.repeats, clock, options.threads
            ):
                against[name] = found
                progress.print(f'{name}: done')
        console.print(
            library_table(
                against,
                f'U-Net {options.unet}, {len(voxels)} voxels, CPU, threads: {options.threads}',
            )
        )
    return {
        'visit_into_memory_s': into_memory,
        'unet': options.unet,
        'voxel_size_m': options.voxel_size,
        'voxels': len(voxels),
        'against': against,
        'convolution': {
            name: {**asdict(rate), 'share': rate.share} for name, rate in rates.items()
        },
    }


def _visit_into_memory(
    config: InferenceConfig, scans: list[Scan], clock: Callable[[], float]
) -> float:
    """Return the mean seconds per visit after the first: store, segment, associate, commit."""
    segmenter = Segmenter.load(config)
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneMemory.open(
            Path(folder) / 'memory',
            map_id='bench',
            frame_id='map',
            class_names=segmenter.class_names,
        ) as memory,
    ):
        tracker = SceneTracker(memory, segmenter, TrackerConfig())
        times = []
        for scan in scans:
            start = clock()
            tracker.add_visit(scan)
            times.append(clock() - start)
    return sum(times[1:]) / len(times[1:])


def _peak_memory(config: InferenceConfig, scans: list[Scan], n_visits: int) -> float | None:
    """Measure in a separate process; visits are repeated if there are too few."""
    visits = [scans[k % len(scans)] for k in range(n_visits)]
    with get_context('spawn').Pool(1) as pool:
        return pool.apply(peak_memory, (config, visits))


def _unet(options: argparse.Namespace, scan: Scan) -> tuple[SparseUNet, torch.Tensor, Voxels]:
    """Return a U-Net with random weights, and the features and voxels of one visit; CPU."""
    visit = make_visit_input(
        scan, np.zeros(len(scan), int), ModelConfig(voxel_size=options.voxel_size)
    )
    voxels = Voxels.build(torch.nn.functional.pad(visit.coords, (1, 0)))
    unet = SparseUNet(visit.feats.shape[1], PRESETS[options.unet])
    return unet, voxels.sort(visit.feats), voxels


def _once_done(clock: Callable[[], float]) -> float:
    """Return seconds after pending work of the GPU is finished."""
    synchronize()
    return clock()


def _stage_table(costs: dict[str, dict[str, float]], scans: list[Scan]) -> Table:
    """Return seconds per stage of the three ways to segment two visits."""
    table = Table(
        'stage',
        'both anew',
        'one cached',
        'both cached',
        title=f'two visits of {len(scans[0])} and {len(scans[1])} points, seconds',
    )
    for stage in (*STAGES, 'total'):
        table.add_row(
            stage,
            *(f'{costs[way][stage]:.3f}' for way in ('anew', 'one_cached', 'cached')),
            end_section=stage == STAGES[-1],
        )
    return table


def _rate_table(rates: dict[str, Rate], options: argparse.Namespace) -> Table:
    """Return the rate of the convolutions as a share of that of matrix products."""
    table = Table(
        'pass',
        'GFLOP',
        'products',
        'convolutions',
        'network',
        'share of the products',
        title=f'U-Net {options.unet}, voxels of {options.voxel_size} m, seconds',
    )
    for name, rate in rates.items():
        table.add_row(
            name.replace('_', ' and '),
            f'{rate.flop / 1e9:.2f}',
            f'{rate.products_s:.4f}',
            f'{rate.convolutions_s:.4f}',
            f'{rate.network_s:.4f}',
            f'{100 * rate.share:.0f} %',
        )
    return table
