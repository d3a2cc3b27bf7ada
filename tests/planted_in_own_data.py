"""Mistakes in the conversion of one's own data; `tests.mutations` plants them."""

from tests.planted import Mutation

MUTATIONS = (
    Mutation('last_plane_alone', 'dataloaders/preparation/counts.py',
             'covered |= id_map > 0', 'covered = id_map > 0',
             'tests/dataloaders/preparation/counts_test.py'),
    Mutation('segments_from_zero', 'dataloaders/preparation/contact_sheet.py',
             "'id': k + 1", "'id': k", 'tests/dataloaders/preparation/contact_sheet_test.py'),
    Mutation('short_names_first', 'dataloaders/preparation/custom/splits.py',
             "(row['file_name'], name, os.path.splitext(name)[0])",
             "(os.path.splitext(name)[0], name, row['file_name'])",
             'tests/dataloaders/preparation/custom/splits_test.py'),
    Mutation('ids_not_compared', 'dataloaders/preparation/custom/plan.py',
             'name_of.get(c.id, c.name)', 'c.name',
             'tests/dataloaders/preparation/custom/plan_test.py'),
    Mutation('masks_of_the_other_split', 'dataloaders/preparation/custom/layouts.py',
             'Lot(train, first), Lot(validation, second)',
             'Lot(train, second), Lot(validation, first)',
             'tests/dataloaders/preparation/custom/layouts_test.py'),
    Mutation('failed_is_complete', 'configs/datasets/facts.py',
             "not content.get('shards_failed') and", 'True and',
             'tests/configs/datasets/facts_test.py'),
)
