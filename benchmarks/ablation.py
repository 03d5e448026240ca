"""
Ablation of the strategies of sharing time: training runs that differ in them alone.

    .venv/bin/python benchmarks/ablation.py config/training/rooms-s.yaml \
        --set train.steps=2000 --data runs/rooms-train --test runs/rooms-test \
        --out runs/ablation --jobs 2

Trains with none, each alone and all of the strategies, and a network that never sees two visits
together but as many visits in all; scores each on the test set with `rescene4d evaluate`, as joint
prediction and visit by visit with matching, and writes `ablation.md` and `ablation.json`. What was
stopped goes on: run it again.
"""

from __future__ import annotations

import argparse
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
import json
from pathlib import Path
from statistics import mean, stdev

from rescene4d_ros.cli.flags import setting
from rescene4d_ros.cli.main import main as rescene4d
from rescene4d_ros.inference.weights_file import read_weights
from rescene4d_ros.models.backbones.unet import PRESETS as UNETS
from rescene4d_ros.processes import each_result
from rescene4d_ros.training import Recipe

OFF = {
    'contrastive': 'losses.contrastive_weight=0',
    'mask pooling': 'model.temporal_mask_pooling=off',
    'serialization': 'model.temporal_serialization=off',
}
PER_VISIT = 'per visit'
METHODS = ('joint', 'per_visit_geometric', 'per_visit_semantic')
SCORES = ('t_map', 't_map50', 't_map25', 'map', 'visit_0_map', 't_mrec', 'id_switch_rate')


def variants_of(recipe: Recipe) -> dict[str, list[str]]:
    """
    Return the settings that disable strategies, by the remaining ones.

    A U-Net has no serialization. A strategy that the recipe itself leaves out is an error. The
    network of single visits sees as many of them per step as the others see in a sequence.
    """
    off = dict(OFF)
    if recipe.model.backbone in UNETS:
        del off['serialization']
    for strategy, text in off.items():
        name, value = setting(text)
        section, key = name.split('.')
        if getattr(getattr(recipe, section), key) in (value, 'off'):
            raise SystemExit(
                f'ablation: expected a recipe with {strategy}, got {name} off; turn '
                'it on with --set'
            )
    alone = {s: [text for other, text in off.items() if other != s] for s in off}
    single = ['train.p_single=1', f'train.batch={recipe.train.batch * recipe.train.max_visits}']
    return {'none': list(off.values()), **alone, 'all': [], PER_VISIT: [*off.values(), *single]}


def claim(out: Path, told: dict) -> None:
    """Write the settings of the runs, or refuse a folder with others."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / 'settings.json'
    if path.exists() and json.loads(path.read_text()) != told:
        raise SystemExit(
            f'{out}: expected runs with these settings, got a folder of others '
            f'({path}); take another --out'
        )
    path.write_text(json.dumps(told, indent=1) + '\n')


def folder_of(out: Path, variant: str, seed: int) -> Path:
    """Return the folder of a run."""
    return out / f'{variant.replace(" ", "_")}-{seed}'


def run_one(folder: Path, settings: list[str], options: argparse.Namespace) -> dict:
    """Train and score one variant if necessary; return its scores by method."""
    metrics = folder / 'evaluate' / 'metrics.json'
    if not metrics.exists():
        train = [
            'train',
            str(options.config),
            '--out',
            str(folder),
            '--prepared',
            str(options.out / 'prepared'),
            '--threads',
            str(options.threads),
            '--workers',
            str(options.workers),
        ]
        train += [part for data in options.data for part in ('--data', data)]
        train += [part for text in settings for part in ('--set', text)]
        train += ['--val', str(options.val)] if options.val else []
        train += ['--init', str(options.init)] if options.init else []
        train += ['--resume'] if (folder / 'checkpoint.pt').exists() else []
        evaluate = [
            'evaluate',
            '--data',
            str(options.test),
            '--methods',
            *METHODS,
            '--weights',
            str(folder / 'weights.safetensors'),
            '--out',
            str(folder / 'evaluate'),
            '--torch-threads',
            str(options.threads),
        ]
        evaluate += ['--limit', str(options.limit)] if options.limit else []
        folder.mkdir(parents=True, exist_ok=True)
        # Training again gives equal weights in a file with another hash, which evaluate refuses.
        for command in (
            (evaluate,) if is_trained(folder / 'weights.safetensors') else (train, evaluate)
        ):
            with open(folder / 'log.txt', 'a') as log, redirect_stdout(log), redirect_stderr(log):
                code = rescene4d(command)
            if code:
                raise SystemExit(f'{command[0]} ended with {code}; see {folder / "log.txt"}')
    return json.loads(metrics.read_text())['methods']


def is_trained(weights: Path) -> bool:
    """Return whether the weights are those of the last step."""
    if not weights.exists():
        return False
    told = read_weights(weights)[1].training
    return told['steps'] == told['of_steps']


def flat(scores: dict) -> dict[str, float | None]:
    """Return the scores of the table by name."""
    return {
        **{name: scores[name] for name in SCORES},
        **{f't_mrec {kind}': value for kind, value in scores['t_mrec_by_change'].items()},
    }


def table(runs: dict[str, list[dict]]) -> str:
    """Return mean and, for several seeds, standard deviation over the seeds, in percent."""
    names = list(flat(next(iter(runs.values()))[0][METHODS[0]]))
    lines = [f'| trained with | method | {" | ".join(names)} |', f'|---|---|{"---|" * len(names)}']
    for variant, scores in runs.items():
        for method in METHODS:
            cells = []
            for name in names:
                values = [100 * v for s in scores if (v := flat(s[method])[name]) is not None]
                spread = f' ± {stdev(values):.1f}' if len(values) > 1 else ''
                cells.append(f'{mean(values):.1f}{spread}' if values else '-')
            lines.append(f'| {variant} | {method} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('config', type=Path, help='recipe with all strategies on')
    parser.add_argument('--data', action='append', required=True, metavar='DIR[:WEIGHT]')
    parser.add_argument(
        '--val', type=Path, help='held-out sequences for curves; not used for decisions'
    )
    parser.add_argument('--test', type=Path, required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--set',
        dest='settings',
        action='append',
        default=[],
        metavar='SECTION.KEY=VALUE',
        help='for all runs',
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='of training')
    parser.add_argument('--init', type=Path, help='weights that all runs start from')
    parser.add_argument('--variants', nargs='+', metavar='NAME', help='only these')
    parser.add_argument('--limit', type=int, help='only the first sequences of the test set')
    parser.add_argument('--jobs', type=int, default=1, help='runs at once')
    parser.add_argument('--threads', type=int, default=1, help='of each run')
    parser.add_argument('--workers', type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing, then write the tables."""
    options = parsed(arguments)
    recipe = Recipe.read(options.config, dict(map(setting, options.settings)))
    variants = variants_of(recipe)
    if unknown := set(options.variants or ()) - set(variants):
        raise SystemExit(
            f'--variants: expected some of {", ".join(variants)}, got {", ".join(sorted(unknown))}'
        )
    variants = {name: variants[name] for name in options.variants or variants}
    claim(
        options.out,
        {
            'recipe': asdict(recipe),
            'data': options.data,
            'test': str(options.test),
            'limit': options.limit,
            'init': str(options.init or ''),
        },
    )
    jobs = []
    for seed in options.seeds:
        for name, settings in variants.items():
            jobs.append(
                (
                    folder_of(options.out, name, seed),
                    [*options.settings, *settings, f'train.seed={seed}'],
                    options,
                )
            )
    done = {}
    for (folder, *_), scores in each_result(run_one, jobs, options.jobs):
        done[folder] = scores
        print(f'{len(done)} of {len(jobs)}: {folder.name}', flush=True)
    runs = {
        name: [done[folder_of(options.out, name, seed)] for seed in options.seeds]
        for name in variants
    }
    text = table(runs)
    (options.out / 'ablation.md').write_text(text)
    (options.out / 'ablation.json').write_text(
        json.dumps({'seeds': options.seeds, 'runs': runs}, indent=1) + '\n'
    )
    print(text)


if __name__ == '__main__':
    main()
