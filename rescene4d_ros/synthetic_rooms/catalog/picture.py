"""Contact sheets: many models side by side, seen from the front, so that a person can judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from rescene4d_ros.synthetic_rooms.furniture.model import Model
from rescene4d_ros.synthetic_rooms.surfaces.pattern import albedo

BACKGROUND = 0.97


def render(
    model: Model, pixels: int = 200, azimuth: float = 30.0, elevation: float = 22.0
) -> np.ndarray:
    """
    Return a picture of a model on a floor tile of 1 m.

    Parameters
    ----------
    model : Model
    pixels : int
        Width and height.
    azimuth, elevation : float, deg
        Where the eye is: 0 = before the front (+y), 90 = at its left (-x); above the floor.

    Returns
    -------
    ndarray (pixels, pixels, 3), uint8

    """
    import open3d as o3d

    tile = np.array(
        [[-0.5, -0.5, -0.003], [0.5, -0.5, -0.003], [0.5, 0.5, -0.003], [-0.5, 0.5, -0.003]]
    )
    vertices, faces, owner = [tile], [np.array([[0, 1, 2], [0, 2, 3]])], [np.array([-1, -1])]
    offset = 4
    for k, part in enumerate(model.parts):
        vertices.append(part.vertices)
        faces.append(part.faces + offset)
        owner.append(np.full(len(part.faces), k))
        offset += len(part.vertices)
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor(np.concatenate(vertices).astype(np.float32)),
        o3d.core.Tensor(np.concatenate(faces).astype(np.uint32)),
    )
    target = np.array([0, 0, model.size[2] / 2])
    reach = max(float(np.linalg.norm(model.size)), 0.1)
    a, e = np.radians((azimuth, elevation))
    eye = target + 1.9 * reach * np.array(
        [-np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)]
    )
    # Open3D counts rows along `up`; ours count downwards.
    rays = scene.create_rays_pinhole(35.0, target, eye, np.array([0.0, 0, -1]), pixels, pixels)
    hit = scene.cast_rays(rays, nthreads=1)
    distance, ray = hit['t_hit'].numpy(), rays.numpy()
    found = np.isfinite(distance)
    part = np.concatenate(owner)[hit['primitive_ids'].numpy()[found]]
    image = np.full((pixels, pixels, 3), BACKGROUND)
    color = np.full((len(part), 3), 0.88)
    on = part >= 0
    if on.any():
        place = ray[found, :3] + distance[found][:, None] * ray[found, 3:]
        color[on] = albedo([p.material for p in model.parts], part[on], place[on])
    light = np.array([-0.35, 0.6, 0.72])
    normal = hit['primitive_normals'].numpy()[found]
    normal *= -np.sign((normal * ray[found, 3:]).sum(axis=1, keepdims=True))
    image[found] = color * (0.55 + 0.45 * np.clip(normal @ light, 0, 1))[:, None]
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def contact_sheet(rows: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]]) -> Image.Image:
    """
    Join pictures to a sheet.

    Parameters
    ----------
    rows : sequence of (title, sequence of (label, ndarray (P, P, 3) uint8))

    """
    side = rows[0][1][0][1].shape[0]
    columns = max(len(cells) for _, cells in rows)
    sheet = Image.new('RGB', (columns * side, len(rows) * (side + 28)), 'white')
    draw = ImageDraw.Draw(sheet)
    for r, (title, cells) in enumerate(rows):
        top = r * (side + 28)
        draw.text((4, top + 1), title, fill='black')
        for c, (label, picture) in enumerate(cells):
            sheet.paste(Image.fromarray(picture), (c * side, top + 28))
            draw.text((c * side + 4, top + 14), label[: side // 6], fill=(90, 90, 90))
    return sheet
