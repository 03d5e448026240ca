"""Features of a frozen encoder, kept on disk, so that it runs once per visit and variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import hashlib
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.models.backbones.point_transformer import PointTransformer
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.models.outputs import DecoderState, VisitPyramid
from rescene4d_ros.models.segmenter import ReScene4D
from safetensors.torch import load, save
import torch
from torch import Tensor


class KeptFeatures:
    """
    Encode visits with a frozen encoder, or read what it gave for the same visit before.

    A file is named after the content of the visit and the weights of the encoder, so that runs,
    recipes and processes may share a folder.

    Parameters
    ----------
    model : ReScene4D
        Whose encoder is frozen and in evaluation mode; its weights must not change once it has
        encoded.
    folder : Path
        Created if missing.

    Attributes
    ----------
    encoded, read : int
        Visits that the encoder computed and that were on disk.

    Raises
    ------
    ConfigError
        The features of this backbone do not come from a frozen encoder.

    """

    def __init__(self, model: ReScene4D, freeze: str, folder: Path):
        backbone = model.backbone
        if freeze != 'encoder' or not isinstance(backbone, PointTransformer):
            raise ConfigError(
                'TrainConfig.kept_variants: expected a Point Transformer with freeze: encoder, '
                f'got the backbone {model.config.backbone} with freeze: {freeze}; leave it at 0'
            )
        if not backbone.shares_time:
            raise ConfigError(
                'TrainConfig.kept_variants: expected a decoder that attends to other visits, got '
                'ModelConfig.temporal_serialization: off; set it to mixed or leave this at 0'
            )
        self.backbone, self.folder = backbone, folder
        self.encoded = self.read = 0
        self._of_weights = b''
        folder.mkdir(parents=True, exist_ok=True)

    @torch.no_grad()
    def encode(self, visits: Sequence[VisitInput]) -> list[VisitPyramid]:
        """Return the input of the decoder for each visit; features are rounded to float16."""
        return list(map(self._pyramid, visits))

    def _pyramid(self, visit: VisitInput) -> VisitPyramid:
        """Return the input of the decoder for one visit, which others do not change."""
        empty = VisitPyramid.of(visit, DecoderState())
        path = self._path(visit)
        if path.exists():
            self.read += 1
            data = path.read_bytes()
        else:
            data = self._computed(empty)
            with atomic_write(path) as file:
                file.write(data)
            self.encoded += 1
        kept = load(data)
        levels = [kept[str(k)].to(visit.feats.device).float() for k in range(len(kept))]
        return replace(empty, begun=self.backbone.begin(levels, empty.voxels))

    def _computed(self, empty: VisitPyramid) -> bytes:
        """Run the encoder as in use, with fixed orders; return what it gives, finest first."""
        backbone, is_training = self.backbone, self.backbone.training
        backbone.training = False  # of the backbone alone: its parts keep their modes
        try:
            pyramid = backbone.encode(empty.voxels.sort(empty.visit.feats), empty.voxels)
        finally:  # a pass without memory is tried again, in smaller parts
            backbone.training = is_training
        return save({str(k): _small(feats) for k, feats in enumerate(pyramid)})

    def _path(self, visit: VisitInput) -> Path:
        """Return the file of a visit."""
        if not self._of_weights:
            self._of_weights = _digest(
                t
                for part in (self.backbone.embedding, self.backbone.enc)
                for t in part.state_dict().values()
            )
        name = hashlib.sha256(self._of_weights + _digest((visit.coords, visit.feats)))
        return self.folder / f'{name.hexdigest()[:32]}.safetensors'


def _digest(tensors) -> bytes:
    """Return a hash of tensors, in this order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.digest()


def _small(feats: Tensor) -> Tensor:
    """Return features as float16 where it holds them."""
    half = feats.half().cpu()
    return half if half.isfinite().all() else feats.float().cpu()
