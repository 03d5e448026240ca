"""Track one visit: which object is which, and what changed."""

from __future__ import annotations

from dataclasses import replace

from rescene4d_ros.structures import Segmentation
from rescene4d_ros.tracking.association.association import associate
from rescene4d_ros.tracking.change_detection import detect_changes
from rescene4d_ros.tracking.object_ids import (
    find_merges,
    give_ids,
    ids_of_points,
    join_merged,
    merge_events,
    use_merged_ids,
)
from rescene4d_ros.tracking.observations import observe, recover_missed
from rescene4d_ros.tracking.record_update import update_records
from rescene4d_ros.tracking.records import VisitFacts
from rescene4d_ros.tracking.regions.changed_things import find_changed_things
from rescene4d_ros.tracking.regions.discovery import (
    Discovered,
    find_left,
    follow_back,
    follow_births_back,
    left_places,
)
from rescene4d_ros.tracking.regions.fusion import fuse, Fused
from rescene4d_ros.tracking.settings import TrackingSettings
from rescene4d_ros.tracking.visit_view import VisitContext


def track_visit(
    segmentation: Segmentation, context: VisitContext, settings: TrackingSettings
) -> VisitFacts:
    """
    Find out which object each observation of a visit is, and what changed; pure.

    Parameters
    ----------
    segmentation : Segmentation
        Of the visits of the window together, oldest first, the new one last.
    context : VisitContext
        The visit, and what is known before it.
    settings : TrackingSettings

    Returns
    -------
    VisitFacts

    """
    visit, scan = context.visit, context.view.scan

    # 0. Fuse masks with what came, left or moved, and follow discoveries back.
    fused, context, discovered = _with_regions(segmentation, context, settings)

    # 1. Observe: the instances of the newest visit, with their votes for remembered objects.
    observations = observe(scan, fused.segmentation, context.earlier_labels(), fused.came)
    context.compare_colors(observations)

    # 2. Associate: one assignment of observations to objects; what fits nothing is born.
    places = left_places(context.view.places_of(context.records), context.left)
    association = associate(
        observations, context.records, places, settings, context.unobserved, context.view.colors
    )
    linked = give_ids(scan, observations, association, context.next_id, settings.birth_score)

    # 3. Follow births back to the visit before, if it shows their surfaces. Recover what the
    # segmenter missed: known surfaces at their old place.
    context, linked, discovered = follow_births_back(context, linked, discovered)
    records = context.records
    places |= context.view.places_of({i: r for i, r in records.items() if i not in places})
    linked |= recover_missed(scan, records, places, linked)

    # 4. Merge duplicates: ids that two visits in a row show to be one object.
    merges = find_merges(records, linked, context.earlier, context.locked)
    merged = merge_events(visit, records, merges, context.class_names)
    linked = use_merged_ids(linked, merges)

    # 5. Detect changes: the state of every object, and what became of it.
    context = replace(context, records=join_merged(records, merged))
    states, changes = detect_changes(context, linked, places, settings)
    changes = (*merged, *changes)

    # 6. Update the records with what was seen.
    after = update_records(records, visit.stamp_ns, context.view.cloud, linked, states, changes)
    labels = ids_of_points(len(scan), linked)
    return VisitFacts(visit, linked, states, changes, labels, after, discovered)


def _with_regions(
    segmentation: Segmentation, context: VisitContext, settings: TrackingSettings
) -> tuple[Fused, VisitContext, Discovered]:
    """Return instances and context with what geometry alone shows of changes, if it is asked."""
    if not settings.use_regions or not context.earlier:
        return Fused(segmentation), context, {}
    scans = [*(view.scan for view in context.earlier[::-1]), context.view.scan]
    things = find_changed_things(scans)
    fused = fuse(segmentation, things, context.earlier_labels())
    context, found = follow_back(context, fused)
    return fused, replace(context, left=find_left(context, things)), found
