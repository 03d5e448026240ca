"""Wrong stamps in a stream: each costs its own cloud, whatever clock it comes from."""

import pytest
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures.scan import check_not_future
from rescene4d_ros.visit_building.stamp_order import StampOrder

T0 = 1_700_000_000
YEAR = 365 * 86400
DRIVE = [T0 + k for k in range(8)]


def admitted(stamps):
    """Return the seconds that are admitted, and how many clouds are refused."""
    refused, certain = [], []
    order = StampOrder(refused.append)
    for stamp in stamps:
        try:
            certain += order.admit(stamp * 10**9, stamp)
        except ScanError as error:
            refused.append(str(error))
    order.drop_held()
    assert all(at_ns == cloud * 10**9 for at_ns, cloud in certain)
    assert all('check the clocks' in text for text in refused)
    return [cloud for _, cloud in certain], len(refused)


@pytest.mark.parametrize('wrong', [T0 + YEAR, T0 + 60, 2**31 - 1, T0 - YEAR, 1])
@pytest.mark.parametrize('place', [1, 4, 7])
def test_one_wrong_stamp_costs_one_cloud(wrong, place):
    assert admitted([*DRIVE[:place], wrong, *DRIVE[place:]]) == (DRIVE, 1)


@pytest.mark.parametrize(
    ('stamps', 'expected', 'refused'),
    [
        ([*DRIVE, *(t + 60 for t in DRIVE)], [*DRIVE, *(t + 60 for t in DRIVE)], 0),  # a pause
        ([*DRIVE, T0 + 60], DRIVE, 1),  # none follows
        ([t * 20 for t in DRIVE], [t * 20 for t in DRIVE[:-1]], 1),  # maps, 20 s apart
        ([T0 + YEAR, *DRIVE], [T0 + YEAR, *DRIVE[2:]], 2),  # the first one is wrong
        ([T0 + 3600, T0 + 3601, *DRIVE], [T0 + 3600, T0 + 3601, *DRIVE[2:]], 2),  # set back
        (DRIVE[::-1], DRIVE[-1:], 7),
        ([s for t in DRIVE for s in (t, t - YEAR)], DRIVE, 8),  # two clocks in turns
        ([s for t in DRIVE for s in (t, t + YEAR)], DRIVE, 8),
        ([T0, T0 + 3, *DRIVE], [T0, T0 + 3, *DRIVE[3:]], 3),  # jitter of seconds is none
    ],
)
def test_streams(stamps, expected, refused):
    assert admitted(stamps) == (expected, refused)


def test_future():
    """Clocks differ a little; without a clock nothing is known."""
    check_not_future((T0 + 60) * 10**9, T0 * 10**9, 60.0)
    check_not_future((T0 + YEAR) * 10**9, 0, 60.0)
    with pytest.raises(ScanError, match='max_future'):
        check_not_future((T0 + 61) * 10**9, T0 * 10**9, 60.0)
