"""The folder of one run: settings, environment, metrics, checkpoint, weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rescene4d_ros.atomic_write import atomic_write, DRAFT
from rescene4d_ros.errors import ConfigError, FileFormatError
import torch


class RunFolder:
    """
    Read and write the files of one run.

    Parameters
    ----------
    path : str or Path
        Created if it does not exist.

    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """Return the path of the checkpoint."""
        return self.path / 'checkpoint.pt'

    @property
    def weights(self) -> Path:
        """Return the path of the averaged weights of the last checkpoint."""
        return self.path / 'weights.safetensors'

    @property
    def metrics(self) -> Path:
        """Return the path of the log, a JSON object per line."""
        return self.path / 'metrics.jsonl'

    @property
    def curves(self) -> Path:
        """Return the path of the picture of loss and scores."""
        return self.path / 'curves.png'

    @property
    def best_weights(self) -> Path:
        """Return the path of the averaged weights of the best validation."""
        return self.path / 'best.safetensors'

    def begin(self, recipe_yaml: str, environment: dict[str, Any], resume: bool) -> None:
        """
        Write the settings and the environment.

        Raises
        ------
        ConfigError
            The folder has a run and `resume` is False, or the reverse.

        """
        if resume and not self.checkpoint.exists():
            raise ConfigError(
                f'run folder {self.path}: expected a checkpoint to resume from, '
                'found none; leave --resume out to start a run'
            )
        if not resume and self.checkpoint.exists():
            raise ConfigError(
                f'run folder {self.path}: expected no run yet, found a '
                'checkpoint; give --resume to go on, or another folder'
            )
        (self.path / 'config.yaml').write_text(recipe_yaml)
        with open(self.path / 'environment.jsonl', 'a') as file:
            file.write(json.dumps(environment) + '\n')

    def log(self, **metrics: Any) -> None:
        """Append one line to metrics.jsonl."""
        with open(self.metrics, 'a') as file:
            file.write(json.dumps(metrics) + '\n')

    def cut_metrics(self, step: int) -> None:
        """Drop lines that a killed run wrote after its last checkpoint."""
        path = self.metrics
        if not path.exists():
            return
        kept = []
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the process was killed while writing this line
            if entry['step'] <= step:
                kept.append(line)
        with atomic_write(path) as file:
            file.write(''.join(f'{line}\n' for line in kept).encode())

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the state of a run; a kill at any time leaves the old file or the new one."""
        for unfinished in self.path.glob(f'{self.checkpoint.name}.*{DRAFT}'):  # of a killed run
            unfinished.unlink(missing_ok=True)
        with atomic_write(self.checkpoint, durable=True) as file:
            torch.save(state, file)

    def load_checkpoint(self) -> dict[str, Any]:
        """
        Read the state of the run.

        Raises
        ------
        FileFormatError
            The file is damaged.

        """
        try:
            return torch.load(self.checkpoint, map_location='cpu', weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            raise FileFormatError(
                f'checkpoint {self.checkpoint}: expected a complete file, got '
                f'{error}; start a new run'
            ) from error
