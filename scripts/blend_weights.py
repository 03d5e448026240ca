"""
Blend trained weights with those that they were trained from.

    .venv/bin/python scripts/blend_weights.py TRAINED BEFORE --share 0.7 --out FILE

Weights on the line between two stages keep more of what each stage knows than either end. Tensors
that only the trained file has are kept; the layers that join a fine level to the rest, which
start at zero, count as zero before.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rescene4d_ros.inference.weights_file import load_weights, save_weights

JOINTS = 'fine_level.to_'


def main() -> None:
    """Read both, blend and write."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('trained', type=Path)
    parser.add_argument('before', type=Path)
    parser.add_argument('--share', type=float, default=0.7, help='of the trained weights, 0..1')
    parser.add_argument('--out', type=Path, required=True)
    options = parser.parse_args()
    model, info = load_weights(options.trained)
    before = load_weights(options.before)[0].state_dict()
    blended = {}
    for name, tensor in model.state_dict().items():
        if name in before and tensor.is_floating_point():
            tensor = options.share * tensor + (1 - options.share) * before[name]
        elif name.startswith(JOINTS):
            tensor = options.share * tensor
        blended[name] = tensor
    model.load_state_dict(blended)
    save_weights(options.out, model, info)
    print(options.out)


if __name__ == '__main__':
    main()
