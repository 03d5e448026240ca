"""
Score predictions of your own on a made room: identity, masks and changes.

    python examples/evaluate.py --visits 3 --seed 7

Makes one room with known truth and scores a prediction that finds every mask but forgets who is
who: each visit gets ids of its own. For files of many sequences see `rescene4d score`.
"""

import argparse

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.sequences import predicted_sequence, true_sequence
from rescene4d_ros.metrics.summary import reduce_sequence, summarize
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig


def main() -> None:
    """Make a room, predict, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--visits', type=int, default=3)
    parser.add_argument('--seed', type=int, default=7)
    options = parser.parse_args()

    _, truth = make_sequence(options.seed, make(RoomsConfig, {'visits': options.visits}))
    scored = true_sequence(truth, 'room')
    class_of = dict(zip(scored.instance_ids.tolist(), scored.classes.tolist()))
    labels, ids, classes = [], [], []
    for t, visit in enumerate(truth.visits):
        known = np.isin(visit.instance, scored.instance_ids)
        labels.append(np.where(known, visit.instance + 1000 * t, 0))
        for instance in np.unique(visit.instance[known]).tolist():
            ids.append(instance + 1000 * t)
            classes.append(class_of[instance])
    prediction = predicted_sequence(labels, ids, classes, [1.0] * len(ids))
    scores = summarize([reduce_sequence(scored, prediction, ScoreRules())], ScoreRules())
    for name, value in scores.items():
        if isinstance(value, float):
            print(f'{name:<32} {value:.3f}')


if __name__ == '__main__':
    main()
