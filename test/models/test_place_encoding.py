"""Codes of places compare by distance in meters, whatever the size or place of the sequence."""

import math

from rescene4d_ros.models.space_time import PlaceEncoding
import torch


def test_products_are_gaussian_kernels():
    """With many channels the mean product is the mean of two Gaussians of the distance."""
    torch.manual_seed(0)
    reach = 0.8
    encoding = PlaceEncoding(40_000, reach)
    at = torch.zeros(5, 4)
    at[:, 0] = torch.tensor([0.0, 0.2, 0.5, 1.0, 2.0])
    codes = encoding(at, torch.zeros(4))
    products = codes @ codes[0] / 20_000
    for distance, product in zip(at[:, 0].tolist(), products.tolist()):
        wide = math.exp(-0.5 * (distance / reach) ** 2)
        narrow = math.exp(-0.5 * (3 * distance / reach) ** 2)
        assert abs(product - (wide + narrow) / 2) < 0.02


def test_the_origin_moves_with_the_sequence():
    """Moving points and origin together changes nothing."""
    torch.manual_seed(0)
    encoding = PlaceEncoding(64, 0.8)
    points, shift = torch.randn(9, 4), torch.tensor([8.0, -4.0, 2.0, 1.0])
    origin = torch.zeros(4)
    torch.testing.assert_close(
        encoding(points, origin), encoding(points + shift, origin + shift), atol=1e-4, rtol=0
    )
