"""Small mistakes in how images are read and results are written, for `tests.mutations`."""

from tests.planted import Mutation

MUTATIONS = (
    Mutation('holes_are_filled', 'serving/outlines.py',
             'numbers = [numbers[0], *numbers[:0:-1]]', 'numbers = list(numbers)',
             'tests/serving/outlines_test.py'),
    Mutation('parts_without_a_group', 'serving/labelme.py',
             'segment.id if len(polygons) > 1 else None', 'None', 'tests/serving/labelme_test.py'),
    Mutation('turned_the_wrong_way', 'serving/video.py', 'np.rot90(image, turns)',
             'np.rot90(image, -turns)', 'tests/serving/video_test.py'),
    Mutation('frames_at_a_steady_rate', 'serving/video.py',
             'max(round(time / float(self._tick)), self._last + 1)',
             'self._last + round(1 / self._rate / self._tick)', 'tests/serving/video_test.py'),
    Mutation('cut_videos_are_complete', 'serving/video.py',
             'missing > max(_MISSING_FRAMES, _MISSING_SHARE * stated)', 'False',
             'tests/serving/video_test.py'),
    Mutation('damaged_videos_are_kept', 'serving/saving.py',
             'and self._writer and not self._clip.failure', 'and self._writer',
             'tests/serving/saving_test.py'),
    Mutation('everything_is_read_ahead', 'serving/pipeline.py', 'self._inside < self._limit and',
             'True or', 'tests/serving/pipeline_test.py'),
    Mutation('errors_of_writing_are_lost', 'serving/pipeline.py', '      self._errors.append(e)\n',
             '', 'tests/serving/pipeline_test.py'),
    Mutation('hidden_instances_stay_hidden', 'serving/result.py',
             'id_map, segments = _painted(found, self.size, limit)',
             'id_map, segments = self.id_map, self.shown', 'tests/serving/result_test.py'),
)
