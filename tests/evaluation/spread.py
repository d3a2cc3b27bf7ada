"""A metric whose images are compared with their truth in several places."""

from collections.abc import Callable, Sequence
from typing import Any

from tf_maskformer.evaluation import contributions
from tf_maskformer.evaluation.metric import Metric


def over(places: int, make: Callable[[], Metric], images: Sequence[Sequence[Any]]) -> Metric:
  """Returns a metric that has added all images, in their order.

  Args:
    places: every image is of one of them, in turns; each stores its contributions.
    make: makes a metric.
    images: arguments of `contribution`.
  """
  stored = []
  for place in range(places):
    metric = make()
    own = [metric.contribution(*image) for image in images[place::places]]
    stored.append(contributions.split(contributions.join(own)))
  total = make()
  for k in range(len(images)):
    total.add(stored[k % places][k // places])
  return total
