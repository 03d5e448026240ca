"""The file of fitted weights: what is read, what is refused, and how changes are fitted anew."""

from __future__ import annotations

from importlib import resources

import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.evaluation.fitting.confidence_fit import write_change_weights
from rescene4d_ros.structures import ChangeKind
from rescene4d_ros.tracking.change_confidence import ConfidenceModel
from rescene4d_ros.tracking.settings import FILE_NAME, parse_weights, shipped_weights

TEXT = resources.files('rescene4d_ros.tracking').joinpath(FILE_NAME).read_text()


def test_file_of_the_package_is_what_is_shipped():
    assert parse_weights(TEXT, FILE_NAME) == shipped_weights()


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('    removed:', '    removd:'),
        ('      shown:', '      shwon:'),
        ('    moved_cost:', '    left:'),
        ('association:', 'associations:'),
        ('  weights:', '  wights:'),
        ('      bias: ', '      bias: .nan #'),
        ('    place: ', '    place: .inf #'),
        ('    place: ', '    place: high #'),
        ('changes:', '- changes:'),
    ],
)
def test_refuses_what_holds_other_weights(old, new):
    """Names the file and what to do."""
    assert old in TEXT
    with pytest.raises(ConfigError, match=r'other\.yaml: expected.*file of the package'):
        parse_weights(TEXT.replace(old, new, 1), 'other.yaml')


def test_changes_are_written_to_four_digits_and_the_rest_stays(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_text(TEXT)
    shipped = shipped_weights()
    fitted = ConfidenceModel(
        {
            kind: {name: w + 0.00012 for name, w in terms.items()}
            for kind, terms in shipped.changes.weights.items()
        }
    )
    write_change_weights(path, fitted, '7 changes')
    found = parse_weights(path.read_text(), FILE_NAME)
    assert found.association == shipped.association
    moved = shipped.changes.weights[ChangeKind.MOVED]['bias']
    assert found.changes.weights[ChangeKind.MOVED]['bias'] == pytest.approx(moved + 0.0001)
    assert 'fitted_to: 7 changes' in path.read_text()


def test_changes_are_written_only_into_a_file_of_weights(tmp_path):
    model = shipped_weights().changes
    with pytest.raises(ConfigError, match='copy .*fitted.yaml'):
        write_change_weights(tmp_path / 'none.yaml', model, '')
    other = tmp_path / 'other.yaml'
    other.write_text('notes: mine\n')
    with pytest.raises(ConfigError, match='other.yaml'):
        write_change_weights(other, model, '')
    assert other.read_text() == 'notes: mine\n'
