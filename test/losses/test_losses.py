"""Matching and losses against loops written straight from their formulas."""

from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import pytest
from rescene4d_ros.losses import Criterion, IGNORED_CLASS, LossConfig, Targets
from rescene4d_ros.losses.contrastive import contrastive_loss, LARGEST_SIMILARITY
from rescene4d_ros.losses.masks import pairwise_dice, pairwise_mask_bce
from rescene4d_ros.losses.matching import class_cost, match
import torch
from torch.nn import functional

torch.set_num_threads(1)
S, Q, G, K, L = 23, 6, 3, 4, 2


def make_output(seed=0, n_sets=L + 1):
    """Return random predictions of T = 2 visits."""
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64, requires_grad=True)

    return SimpleNamespace(
        class_logits=draw(n_sets, Q, K + 1),
        mask_logits=draw(n_sets, S, Q),
        superpoint_features=draw(S, 8),
        superpoint_logits=draw(S, K + 1),
        visit=torch.arange(S) // 12,
        seed=torch.arange(Q) * 3,
        structure_logits=torch.zeros(n_sets, S, 0),
    )


def make_targets(seed=1, classes=(2, 0, 1)):
    """Return three instances; some superpoints are in none."""
    owner = torch.randint(-2, len(classes), (S,), generator=torch.Generator().manual_seed(seed))
    masks = owner[None] == torch.arange(len(classes))[:, None]
    return Targets(masks, torch.tensor(classes))


def test_pairwise_bce_is_the_mean_over_superpoints():
    logits, masks = make_output().mask_logits, make_targets().masks
    weight = torch.rand(S, dtype=torch.float64)
    weight /= weight.sum()
    pairs = pairwise_mask_bce(logits, masks.double(), weight)
    for q in range(Q):
        for i in range(G):
            bce = functional.binary_cross_entropy_with_logits(
                logits[0, :, q], masks[i].double(), reduction='none'
            )
            torch.testing.assert_close(pairs[0, q, i], (bce * weight).sum())


def test_pairwise_dice_with_equal_weights_has_the_published_smoothing():
    logits, masks = make_output().mask_logits, make_targets().masks
    pairs = pairwise_dice(logits, masks.double(), torch.full((S,), 1 / S, dtype=torch.float64))
    for q in range(Q):
        for i in range(G):
            p, t = logits[1, :, q].sigmoid(), masks[i].double()
            expected = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
            torch.testing.assert_close(pairs[1, q, i], expected)


def test_match_finds_the_cheapest_assignment_of_all():
    cost = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(3))
    sets, queries, instances = match(cost)
    for k in range(4):
        found = cost[k, queries[sets == k], instances[sets == k]].sum()
        best = min(sum(cost[k, q, i] for i, q in enumerate(p)) for p in permutations(range(5), 3))
        torch.testing.assert_close(found, best)


def test_match_avoids_costs_that_are_not_finite():
    cost = torch.tensor([[[float('nan'), 0.0], [1.0, float('inf')]]])
    _, queries, instances = match(cost)
    assert dict(zip(instances.tolist(), queries.tolist())) == {0: 1, 1: 0}


@pytest.mark.parametrize('assignment', ['hungarian', 'seed'])
def test_mask_rows_that_are_not_finite_are_dropped(assignment):
    """As published: the losses and gradients are those of the other queries."""
    config = LossConfig(assignment=assignment, contrastive_weight=0, semantic_weight=0)
    targets, clean, spoiled = make_targets(), make_output(), make_output()
    broken = 1  # a query that starts on an instance
    with torch.no_grad():
        spoiled.mask_logits[1, 4, broken] = float('nan')
        spoiled.mask_logits[1, 5, broken] = float('inf')
    losses = Criterion(config)(spoiled, targets)
    losses['total'].backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert spoiled.mask_logits.grad.isfinite().all()
    assert not spoiled.mask_logits.grad[1, :, broken].any()
    assert spoiled.mask_logits.grad[0, :, broken].any() or assignment == 'hungarian'

    with torch.no_grad():  # a mask that is worse than all others is matched to nothing
        clean.mask_logits[1, :, broken] = torch.where(targets.masks.any(0), -50.0, 50.0)
    if assignment == 'hungarian':
        Criterion(config)(clean, targets)['total'].backward()
        others = [q for q in range(Q) if q != broken]
        torch.testing.assert_close(
            spoiled.mask_logits.grad[..., others], clean.mask_logits.grad[..., others]
        )


def test_unknown_class_costs_every_query_the_same():
    cost = class_cost(make_output().class_logits, torch.tensor([1, IGNORED_CLASS]))
    assert (cost[..., 1] == -1).all()
    assert (cost[..., 0] > -1).all()


def cheapest(output, targets, config, k):
    """Return (query, instance, share) of the cheapest assignment of set k."""

    def cost(queries):
        return sum(
            -config.class_weight * output.class_logits[k, q].softmax(0)[targets.classes[i]]
            + sum(
                weight * term
                for weight, term in zip(
                    (config.mask_weight, config.dice_weight), mask_terms(output, targets, k, q, i)
                )
            )
            for i, q in enumerate(queries)
        )

    best = min(permutations(range(Q), G), key=cost)
    return [(q, i, 1 / G) for i, q in enumerate(best)]


def started(output, targets):
    """Return (query, instance, share) of every query whose seed lies on an instance."""
    pairs = [
        (q, i) for q, s in enumerate(output.seed.tolist()) for i in range(G) if targets.masks[i, s]
    ]
    n_instances = len({i for _, i in pairs})
    return [(q, i, 1 / n_instances / sum(other == i for _, other in pairs)) for q, i in pairs]


def mask_terms(output, targets, k, q, i):
    """Return cross entropy and Dice loss of one query and one instance."""
    logits, truth = output.mask_logits[k, :, q], targets.masks[i].double()
    p = logits.sigmoid()
    return (
        functional.binary_cross_entropy_with_logits(logits, truth),
        1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1),
    )


def naive_criterion(output, targets, config):
    """Return the terms, one set, pair and query at a time, without the contrastive one."""
    totals = {'class': 0, 'mask': 0, 'dice': 0}
    for k, logits in enumerate(output.class_logits):
        pairs = (
            started(output, targets)
            if config.assignment == 'seed'
            else cheapest(output, targets, config, k)
        )
        wanted = torch.full((Q,), K)
        for q, i, share in pairs:
            wanted[q] = targets.classes[i]
            bce, dice = mask_terms(output, targets, k, q, i)
            totals['mask'] += bce * share
            totals['dice'] += dice * share
        weight = torch.ones(K + 1, dtype=torch.float64)
        weight[K] = config.no_object_weight
        totals['class'] += functional.cross_entropy(logits, wanted, weight)
    owner = torch.full((S,), K)
    for mask, told in zip(targets.masks, targets.classes):
        owner[mask] = told
    totals['semantic'] = functional.cross_entropy(output.superpoint_logits, owner)
    return totals


@pytest.mark.parametrize('assignment', ['seed', 'hungarian'])
@pytest.mark.parametrize('objective', ['weighted', 'raw_sum'])
def test_criterion_equals_the_loop_in_value_and_gradient(objective, assignment):
    config = LossConfig(objective=objective, assignment=assignment, contrastive_weight=0.0)
    ours, theirs = make_output(), make_output()
    targets = make_targets()
    losses = Criterion(config)(ours, targets)
    naive = naive_criterion(theirs, targets, config)
    for name, value in naive.items():
        torch.testing.assert_close(losses[name], value, check_dtype=False)
    weights = {'class': 2, 'mask': 5, 'dice': 2, 'semantic': 4} if objective == 'weighted' else {}
    total = sum(weights.get(name, 1) * value for name, value in naive.items())
    torch.testing.assert_close(losses['total'], total, check_dtype=False)
    losses['total'].backward()
    total.backward()
    for name in ('mask_logits', 'class_logits', 'superpoint_logits'):
        torch.testing.assert_close(getattr(ours, name).grad, getattr(theirs, name).grad)


def test_instances_count_alike_however_many_queries_start_on_them():
    """Twice the queries on one instance, in pairs that say the same, change no mask term."""
    targets = make_targets()
    config = LossConfig(contrastive_weight=0.0)
    once = make_output()
    first = [int(m.nonzero()[0]) for m in targets.masks]
    once.seed = torch.tensor([*first, *first])
    with torch.no_grad():
        once.mask_logits[:, :, G:] = once.mask_logits[:, :, :G]
    twice = SimpleNamespace(**vars(once))
    twice.seed = torch.tensor([*first, first[0], first[0], first[0]])
    with torch.no_grad():
        twice.mask_logits = once.mask_logits[:, :, [0, 1, 2, 0, 0, 0]]
    one, two = Criterion(config)(once, targets), Criterion(config)(twice, targets)
    torch.testing.assert_close(one['mask'], two['mask'])
    torch.testing.assert_close(one['dice'], two['dice'])


def test_sequence_without_objects_teaches_no_object_only():
    output = make_output()
    nothing = Targets(torch.zeros(0, S, dtype=torch.bool), torch.zeros(0, dtype=torch.int64))
    losses = Criterion(LossConfig())(output, nothing)
    losses['total'].backward()
    assert losses['mask'] == losses['dice'] == losses['contrastive'] == 0
    expected = sum(functional.cross_entropy(c, torch.full((Q,), K)) for c in output.class_logits)
    torch.testing.assert_close(losses['class'], expected, check_dtype=False)


def test_instance_of_unknown_class_teaches_its_mask_but_not_its_class():
    known, unknown = make_output(), make_output()
    config = LossConfig(contrastive_weight=0.0)
    Criterion(config)(known, make_targets())['total'].backward()
    unlabeled = replace(make_targets(), classes=torch.full((G,), IGNORED_CLASS))
    Criterion(config)(unknown, unlabeled)['total'].backward()
    assert unknown.mask_logits.grad.abs().sum() > 0
    n_started = len(started(unknown, make_targets()))
    silent = (unknown.class_logits.grad == 0).all(-1).sum(1)
    assert silent.tolist() == [n_started] * (L + 1)
    is_silent = (unknown.superpoint_logits.grad == 0).all(-1)
    assert torch.equal(is_silent, make_targets().masks.any(0))


def test_superpoints_weighted_by_points_count_as_their_points():
    """A superpoint of three points is three equal superpoints of one point in the BCE."""
    output, targets = make_output(), make_targets()
    counts = torch.randint(1, 4, (S,), generator=torch.Generator().manual_seed(5))
    config = LossConfig(contrastive_weight=0.0, dice_weight=0.0, weight_by_points=True)
    merged = Criterion(config)(output, replace(targets, n_points=counts))
    repeated = SimpleNamespace(
        **{
            **vars(output),
            'mask_logits': output.mask_logits.repeat_interleave(counts, dim=1),
            'superpoint_logits': output.superpoint_logits.repeat_interleave(counts, dim=0),
            'seed': counts.cumsum(0)[output.seed] - 1,
        }
    )
    spread = Targets(targets.masks.repeat_interleave(counts, dim=1), targets.classes)
    expected = Criterion(replace(config, weight_by_points=False))(repeated, spread)
    torch.testing.assert_close(merged['mask'], expected['mask'])


def naive_info_nce(features, masks, visit, cross_visit_weight):
    """Return the loss from its formula: log-odds logits, one anchor at a time."""
    z = features / features.norm(dim=1, keepdim=True)
    logits = 2 * torch.atanh((z @ z.T).clamp(-LARGEST_SIMILARITY, LARGEST_SIMILARITY))
    terms = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        positives = [j for j in others if (masks[:, i] & masks[:, j]).any()]
        if positives:
            weight = torch.tensor(
                [cross_visit_weight if visit[i] != visit[j] else 1.0 for j in positives]
            )
            terms.append(
                logits[i, others].logsumexp(0) - (logits[i, positives] + weight.log()).logsumexp(0)
            )
    return torch.stack(terms).mean()


@pytest.mark.parametrize('cross_visit_weight', [1.0, 2.0])
@pytest.mark.parametrize('chunk', [1, 5, 1000])
def test_contrastive_loss_equals_the_formula_in_value_and_gradient(cross_visit_weight, chunk):
    g = torch.Generator().manual_seed(7)
    ours = torch.randn(S, 8, generator=g, requires_grad=True)
    theirs = ours.detach().double().requires_grad_()
    masks = make_targets().masks
    masks[2] |= masks[1] & (torch.rand(S, generator=g) < 0.5)  # a superpoint of two instances
    visit = torch.arange(S) // 12
    value = contrastive_loss(
        ours, masks, visit, cross_visit_weight=cross_visit_weight, chunk=chunk
    )
    expected = naive_info_nce(theirs, masks, visit, cross_visit_weight)
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-3, atol=1e-5)


def test_contrastive_loss_without_positives_is_zero_with_a_gradient():
    features = torch.randn(5, 8, requires_grad=True)
    masks = torch.eye(5, dtype=torch.bool)[:3]
    value = contrastive_loss(features, masks, torch.zeros(5, dtype=torch.int64))
    value.backward()
    assert value == 0
    assert (features.grad == 0).all()


def test_targets_refuse_masks_that_are_not_bool():
    with pytest.raises(ValueError, match='bool'):
        Targets(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64))


def test_superpoints_of_which_nothing_is_known_change_no_loss():
    """Losses are those without these superpoints and the queries that start there."""
    unknown = torch.zeros(S, dtype=torch.bool)
    unknown[:5] = True  # the seeds of queries 0 and 1
    output, truth = make_output(), make_targets()
    targets = replace(truth, masks=truth.masks & ~unknown, unknown=unknown)
    config = LossConfig(contrastive_weight=0)
    losses = Criterion(config)(output, targets)
    rest = {
        'mask_logits': output.mask_logits[:, 5:, 2:],
        'class_logits': output.class_logits[:, 2:],
        'superpoint_logits': output.superpoint_logits[5:],
        'seed': output.seed[2:] - 5,
    }
    alone = Criterion(config)(
        SimpleNamespace(**(vars(output) | rest)), Targets(targets.masks[:, 5:], targets.classes)
    )
    for name in ('class', 'mask', 'semantic'):
        torch.testing.assert_close(losses[name], alone[name])
    as_published = Criterion(replace(config, skip_unknown=False))(output, targets)
    assert not torch.isclose(losses['total'], as_published['total'])


def test_structure_has_the_mask_terms_of_its_own_queries():
    structure = torch.arange(S)[None] % 4 == torch.arange(2)[:, None]
    logits = torch.randn(L + 1, S, 2, dtype=torch.float64, requires_grad=True)
    output = SimpleNamespace(**(vars(make_output()) | {'structure_logits': logits}))
    targets = replace(make_targets(), structure=structure)
    config = LossConfig()
    got = Criterion(config)(output, targets)['structure']
    expected = 0
    for n in range(L + 1):
        for r in range(2):
            wanted, x = structure[r].double(), logits[n, :, r]
            bce = functional.binary_cross_entropy_with_logits(x, wanted)
            p = x.sigmoid()
            dice = 1 - (2 * (p * wanted).sum() + 1) / (p.sum() + wanted.sum() + 1)
            expected = expected + (config.mask_weight * bce + config.dice_weight * dice) / 2
    torch.testing.assert_close(got, expected)
    assert 'structure' not in Criterion(config)(make_output(), targets)
