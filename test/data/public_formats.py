"""Write small scans in the formats of public data sets, as their publishers document them."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

SIDE = 6


def squares(count):
    """Return vertices, triangles and the number of the square of each of both, 0..count - 1."""
    y, x = np.mgrid[:SIDE, :SIDE] * 0.1
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    one = np.concatenate(
        [corner[:, None] + [0, 1, SIDE + 1], corner[:, None] + [0, SIDE + 1, SIDE]]
    )
    flat = np.column_stack([x.ravel(), y.ravel(), np.zeros(SIDE**2)])
    vertices = np.concatenate([flat + (k, 0, 0.1 * k) for k in range(count)])
    faces = np.concatenate([one + k * SIDE**2 for k in range(count)])
    return (
        vertices,
        faces,
        np.repeat(np.arange(count), SIDE**2),
        np.repeat(np.arange(count), len(one)),
    )


def colors_of(number):
    """Return the color (N, 3), uint8, of squares by number."""
    return np.column_stack([40 + 30 * number, 200 - 20 * number, 7 * number]).astype(np.uint8)


def write_ply(path, vertices, rgb, faces, of_faces=(), kind='float', normals=False):
    """Write a binary PLY mesh; `of_faces` are (name, values) of ushort properties."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = {'float': '<f4', 'double': '<f8'}[kind]
    axes = ['x', 'y', 'z', *(['nx', 'ny', 'nz'] if normals else [])]
    channels = ['red', 'green', 'blue', 'alpha']
    rows = np.zeros(len(vertices), [*((a, number) for a in axes), *((c, 'u1') for c in channels)])
    for k, axis in enumerate('xyz'):
        rows[axis] = vertices[:, k]
    if normals:
        rows['nz'] = 1
    for k, channel in enumerate(channels[:3]):
        rows[channel] = rgb[:, k]
    rows['alpha'] = 255
    triangles = np.zeros(
        len(faces), [('n', 'u1'), ('v', '<i4', 3), *((name, '<u2') for name, _ in of_faces)]
    )
    triangles['n'], triangles['v'] = 3, faces
    for name, values in of_faces:
        triangles[name] = values
    header = [
        'ply',
        'format binary_little_endian 1.0',
        'comment VCGLIB generated',
        f'element vertex {len(vertices)}',
        *(f'property {kind} {a}' for a in axes),
        *(f'property uchar {c}' for c in channels),
        f'element face {len(faces)}',
        'property list uchar int vertex_indices',
        *(f'property ushort {name}' for name, _ in of_faces),
        'end_header',
        '',
    ]
    path.write_bytes('\n'.join(header).encode() + rows.tobytes() + triangles.tobytes())


def write_scannetpp(root, name='0a7cc12c0e', split='nvs_sem_train.txt', labels=True):
    """Write one scene: a chair, a table with a lamp on it that shares its segment, a wall."""
    vertices, faces, square, _ = squares(5)
    scans = root / 'data' / name / 'scans'
    write_ply(scans / 'mesh_aligned_0.05.ply', vertices, colors_of(square), faces)
    (root / 'splits').mkdir(exist_ok=True)
    with open(root / 'splits' / split, 'a') as file:
        file.write(name + '\n')
    if not labels:
        return square
    document = {'params': {}, 'sceneId': name, 'segIndices': (square * 3 + 1).tolist()}
    (scans / 'segments.json').write_text(json.dumps(document))
    groups = [
        {'id': 1, 'objectId': 1, 'label': 'office chair', 'segments': [1], 'partId': 1},
        {'id': 2, 'objectId': 2, 'label': 'bookshelf', 'segments': [7], 'partId': 2},
        {'id': 3, 'objectId': 3, 'label': 'table', 'segments': [4, 7], 'partId': 3},
        {'id': 4, 'objectId': 5, 'label': 'wall', 'segments': [10], 'partId': 4},
        {'id': 5, 'objectId': 6, 'label': 'remove', 'segments': [13], 'partId': 5},
    ]
    (scans / 'segments_anno.json').write_text(json.dumps({'segGroups': groups}))
    (scans / 'mesh_aligned_0.05_mask.txt').write_text('0\n1\n')
    return square


def write_arkit(root, name='41048190', fold='Training'):
    """Write one scan: a turned bed box with a smaller chair box inside it, a sofa beyond."""
    vertices, faces, square, _ = squares(4)
    folder = root / fold / name
    write_ply(folder / f'{name}_3dod_mesh.ply', vertices, colors_of(square), faces)
    c, s = np.cos(0.4), np.sin(0.4)
    turned = [c, s, 0, -s, c, 0, 0, 0, 1]  # rows are the axes of the box

    def item(label, center, size, axes):
        box = {'centroid': center, 'axesLengths': size, 'normalizedAxes': axes}
        return {'uid': label, 'label': label, 'segments': {'obb': box, 'obbAligned': box}}

    straight = np.eye(3).ravel().tolist()
    document = {
        'data': [
            item('chair', [0.2, 0.2, 0.0], [0.25, 0.25, 0.5], straight),
            item('bed', [0.25, 0.25, 0.0], [1.0, 0.5, 0.5], turned),
            item('stove', [1.25, 0.25, 0.1], [0.6, 0.6, 0.1], straight),
            item('sofa', [2.25, 0.25, 0.2], [0.6, 0.6, 0.1], straight),
        ],
        'skipped': False,
    }
    (folder / f'{name}_3dod_annotation.json').write_text(json.dumps(document))
    return square


def write_multiscan(root, name, labels, split='train', to_reference=None):
    """Write one scan with an object per label; `to_reference` is (scan, motion to it)."""
    vertices, faces, square, of_faces = squares(len(labels))
    if to_reference:
        inverse = np.linalg.inv(to_reference[1])
        vertices = vertices @ inverse[:3, :3].T + inverse[:3, 3]
    folder = root / name
    objects = of_faces + 1
    write_ply(
        folder / f'{name}.ply',
        vertices,
        colors_of(square),
        faces,
        [('objectId', objects), ('partId', objects)],
        kind='double',
        normals=True,
    )
    items = [
        {'objectId': k, 'label': label, 'mobilityType': 'movable', 'partIds': [k]}
        for k, label in enumerate(labels, 1)
    ]
    parts = [{'partId': k, 'label': label} for k, label in enumerate(labels, 1)]
    (folder / f'{name}.annotations.json').write_text(
        json.dumps(
            {'version': 'multiscan@1.0.0', 'scanId': name, 'objects': items, 'parts': parts}
        )
    )
    align = {'version': 'multiscan@1.0.0', 'coordinate_transform': np.eye(4).ravel().tolist()}
    if to_reference:
        align['reference_scan_alignment'] = {
            'target_id': to_reference[0],
            'transformation': to_reference[1].T.ravel().tolist(),
        }
    (folder / f'{name}.align.json').write_text(json.dumps(align))
    path = root / 'scans_split.csv'
    if not path.exists():
        path.write_text('scanId,split\n')
    with open(path, 'a') as file:
        file.write(f'{name},{split}\n')
    return square


def write_s3dis(root, room='Area_1/office_3', damaged=False):
    """Write one room: a wall, ten numbered chairs and clutter; one row may be damaged."""
    folder = root / room / 'Annotations'
    folder.mkdir(parents=True)
    every = []
    rng = np.random.default_rng(0)
    names = ['wall_1', *(f'chair_{k}' for k in range(1, 11)), 'stairs_1']
    for k, name in enumerate(names):
        xyz = rng.uniform(0, 0.5, (40, 3)) * (1, 1, 0.01) + (0.7 * k, 0, 0)
        rows = [f'{x:.3f} {y:.3f} {z:.3f} {10 * k} {20} {30}' for x, y, z in xyz]
        every += rows
        text = '\n'.join(rows).encode() + b'\n'
        if damaged and name == 'chair_2':
            text = text.replace(b' 20 30\n', b' \x1020 30\n', 1)  # as in Area_5/hallway_6
            text = text.replace(b' 20 30\n', b' 20\n', 1)
        (folder / f'{name}.txt').write_bytes(text)
    (folder.parent / f'{folder.parent.name}.txt').write_text('\n'.join(every) + '\n')
    return names


def write_structured3d(root, scene='scene_00000', room='485142'):
    """Write a panorama of a box-shaped room around the camera; the wall in front is a curtain."""
    folder = root / scene / '2D_rendering' / room / 'panorama'
    (folder / 'full').mkdir(parents=True)
    (folder / 'camera_xyz.txt').write_text('1000.0 -2000.0 1500.0\n')
    height, width = 32, 64
    turn = ((np.arange(width) + 0.5) / width * 2 - 1) * np.pi
    rise = (0.5 - (np.arange(height) + 0.5) / height)[:, None] * np.pi
    ray = np.stack(
        np.broadcast_arrays(
            np.cos(rise) * np.sin(turn), np.cos(rise) * np.cos(turn), np.sin(rise)
        ),
        axis=-1,
    )
    half = np.array([2.0, 3.0, 1.25])
    reach = half / np.maximum(np.abs(ray), 1e-9)
    wall = reach.argmin(axis=-1)
    depth = np.rint(reach.min(axis=-1) * 1000).astype(np.uint16)
    front = (wall == 1) & (ray[..., 1] > 0)
    semantic = np.where(wall == 2, np.where(ray[..., 2] < 0, 2, 22), 1).astype(np.uint8)
    semantic[front] = 16
    depth[0, :4] = 0  # no reading
    instance = np.where(front, 7, 65535).astype(np.uint16)
    rgb = np.zeros((height, width, 4), np.uint8)
    rgb[..., 0], rgb[..., 3] = semantic * 5, 255
    Image.fromarray(rgb).save(folder / 'full' / 'rgb_rawlight.png')
    Image.fromarray(depth).save(folder / 'full' / 'depth.png')
    Image.fromarray(semantic).save(folder / 'full' / 'semantic.png')
    Image.fromarray(instance).save(folder / 'full' / 'instance.png')
    return int((depth > 0).sum())
