"""Bipartite assignment of queries to targets: two solvers, one contract, the same answer, ties too.

Both follow SciPy's `linear_sum_assignment` (Crouse, shortest augmenting paths): the host solver
calls it, the graph solver repeats its steps, tie rule included, for all problems at once.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops

# What replaces a cost that is not finite: larger than real ones, small enough to add up in float32.
# Such a step has a non-finite loss too, which the trainer's guard names and skips.
LARGE = 1e6


def assign(cost: tf.Tensor, valid: tf.Tensor, in_graph: bool) -> tf.Tensor:
  """Finds the pairs with the least total cost, for every prediction and image.

  Args:
    cost: float32 [predictions, batch, queries, segments]; NaN and infinities count as `LARGE`.
    valid: bool [batch, segments], true ones first.
    in_graph: solve in the graph (compiles under XLA; queries and segments are static) instead of
      with SciPy on the host.

  Returns:
    int32 [predictions, batch, segments]: the query of each segment, -1 where it is not valid or,
    with more valid segments than queries, left over.
  """
  cost = tf.where(tf.math.is_finite(cost), cost, LARGE)
  counts = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
  if in_graph:
    predictions, batch, queries, segments = shape_ops.sizes(cost)
    problems = tf.reshape(cost, [predictions * batch, queries, segments])
    result = _solve_in_graph(tf.cast(problems, tf.float64), tf.tile(counts, [predictions]))
    return tf.reshape(result, [predictions, batch, segments])
  result = tf.numpy_function(_solve_on_host, [cost, counts], tf.int32)
  return tf.ensure_shape(result, [cost.shape[0], cost.shape[1], cost.shape[3]])


def _solve_on_host(cost: np.ndarray, counts: np.ndarray) -> np.ndarray:
  """SciPy's answer for [predictions, batch, queries, segments] with counts [batch]."""
  predictions, batch, _, segments = cost.shape
  result = np.full([predictions, batch, segments], -1, np.int32)
  for i, b in np.ndindex(predictions, batch):
    queries, targets = scipy.optimize.linear_sum_assignment(cost[i, b, :, :counts[b]])
    result[i, b, targets] = queries
  return result


def _solve_in_graph(cost: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
  """The same for float64 [problems, queries, segments], counts [problems].

  Returns:
    int32 [problems, segments].
  """
  _, queries, segments = cost.shape
  by_target = tf.transpose(cost, [0, 2, 1])
  if segments < queries:  # so are all counts: targets are the rows
    columns = tf.fill(tf.shape(counts), queries)
    query_of_target, _ = _shortest_augmenting_paths(by_target, counts, columns)
    return query_of_target
  # SciPy transposes where there are fewer columns than rows, which differs from problem to problem.
  targets_are_rows = counts < queries
  side = max(queries, segments)
  matrix = tf.where(
      targets_are_rows[:, None, None], _squared(by_target, side), _squared(cost, side))
  column_of_row, row_of_column = _shortest_augmenting_paths(
      matrix, tf.minimum(counts, queries), tf.maximum(counts, queries))
  return tf.where(targets_are_rows[:, None], column_of_row, row_of_column)[:, :segments]


def _squared(matrices: tf.Tensor, side: int) -> tf.Tensor:
  """[problems, r, c] padded to [problems, side, side]."""
  _, r, c = matrices.shape
  return tf.pad(matrices, [[0, 0], [0, side - r], [0, side - c]])


def _pick(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
  """values[p, index[p]] of [problems, n] and [problems]; a negative index gives any entry."""
  return tf.gather(values, tf.maximum(index, 0), batch_dims=1)


def _put(values: tf.Tensor, index: tf.Tensor, new: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
  """Copy of `values` with values[p, index[p]] = new[p] in the problems with where[p]."""
  at_index = tf.range(tf.shape(values)[1])[None] == index[:, None]
  return tf.where(at_index & where[:, None], tf.cast(new, values.dtype)[:, None], values)


def _mark(flags: tf.Tensor, index: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
  """Copy of bool `flags` [problems, n], true at index[p] in the problems with where[p]."""
  return _put(flags, index, tf.ones_like(where), where)


class _Pairs(NamedTuple):
  """The assignment while it grows.

  Attributes:
    u: float64 [problems, r], the dual variables of rows.
    v: float64 [problems, c], those of columns.
    column_of_row: int32 [problems, r], -1: none yet.
    row_of_column: int32 [problems, c], -1: none yet.
  """
  u: tf.Tensor
  v: tf.Tensor
  column_of_row: tf.Tensor
  row_of_column: tf.Tensor


class _Search(NamedTuple):
  """The search for a shortest augmenting path from one row, in every problem.

  Attributes:
    row: int32 [problems], where the search is.
    least: float64 [problems], length of the shortest path to there.
    sink: int32 [problems], the free column that was found, -1: none yet.
    shortest: float64 [problems, c], length of the shortest path to each column.
    path: int32 [problems, c], the row before each column on that path.
    seen_rows: bool [problems, r].
    seen_columns: bool [problems, c].
    remaining: int32 [problems, c], columns that were not visited, in SciPy's order.
    num_remaining: int32 [problems], how many of these count.
  """
  row: tf.Tensor
  least: tf.Tensor
  sink: tf.Tensor
  shortest: tf.Tensor
  path: tf.Tensor
  seen_rows: tf.Tensor
  seen_columns: tf.Tensor
  remaining: tf.Tensor
  num_remaining: tf.Tensor


def _shortest_augmenting_paths(cost: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor
                               ) -> tuple[tf.Tensor, tf.Tensor]:
  """Crouse's algorithm on a batch.

  Args:
    cost: float64 [problems, r, c].
    rows: int32 [problems], rows in use; at most `columns`.
    columns: int32 [problems], columns in use.

  Returns:
    int32, the column of each row [problems, r] and the row of each column [problems, c]; -1 where
    there is none.
  """
  num_problems = tf.shape(cost)[0]
  _, r, c = cost.shape
  pairs = _Pairs(
      u=tf.zeros([num_problems, r], tf.float64),
      v=tf.zeros([num_problems, c], tf.float64),
      column_of_row=tf.fill([num_problems, r], -1),
      row_of_column=tf.fill([num_problems, c], -1))
  last_row = tf.reduce_max(rows)

  def unfinished(row, pairs):
    del pairs
    return row < last_row

  def step(row, pairs):
    active = row < rows
    found = _search(cost, row, active, columns, pairs)
    pairs = _with_new_duals(row, active, found, pairs)
    return row + 1, _augment(row, active, found, pairs)

  _, pairs = tf.while_loop(unfinished, step, (tf.constant(0), pairs))
  return pairs.column_of_row, pairs.row_of_column


def _with_new_duals(row: tf.Tensor, active: tf.Tensor, found: _Search, pairs: _Pairs) -> _Pairs:
  """Updates the dual variables of the rows and columns that the search has seen."""
  at_row = (tf.range(pairs.u.shape[1]) == row)[None]
  least = found.least[:, None]
  distance = tf.gather(found.shortest, tf.maximum(pairs.column_of_row, 0), batch_dims=1)
  gain = tf.where(at_row, least, least - distance)
  active = active[:, None]
  return pairs._replace(
      u=tf.where(active & found.seen_rows, pairs.u + gain, pairs.u),
      v=tf.where(active & found.seen_columns, pairs.v - (least - found.shortest), pairs.v))


def _search(cost: tf.Tensor, row: tf.Tensor, active: tf.Tensor, columns: tf.Tensor, pairs: _Pairs
            ) -> _Search:
  """Finds the shortest path from `row` to a free column in every active problem."""
  num_problems = tf.shape(cost)[0]
  _, r, c = cost.shape
  state = _Search(
      row=tf.fill([num_problems], row),
      least=tf.zeros([num_problems], tf.float64),
      sink=tf.fill([num_problems], -1),
      shortest=tf.fill([num_problems, c], tf.constant(np.inf, tf.float64)),
      path=tf.fill([num_problems, c], -1),
      seen_rows=tf.fill([num_problems, r], False),
      seen_columns=tf.fill([num_problems, c], False),
      remaining=tf.maximum(columns[:, None] - 1 - tf.range(c)[None], 0),
      num_remaining=columns)

  def unfinished(state):
    return tf.reduce_any(active & (state.sink < 0))

  def step(state):
    state = _reach(cost, active & (state.sink < 0), columns, pairs, state)
    return [_visit(active & (state.sink < 0), pairs, state)]

  return tf.while_loop(unfinished, step, [state])[0]


def _reach(cost: tf.Tensor, running: tf.Tensor, columns: tf.Tensor, pairs: _Pairs, state: _Search
           ) -> _Search:
  """Shortens the paths to all columns by way of the row where the search is."""
  row = state.row
  length = state.least[:, None] + tf.gather(cost, row, batch_dims=1)
  length = length - _pick(pairs.u, row)[:, None] - pairs.v
  in_use = tf.range(cost.shape[2])[None] < columns[:, None]
  better = running[:, None] & ~state.seen_columns & in_use & (length < state.shortest)
  return state._replace(
      seen_rows=_mark(state.seen_rows, row, running),
      path=tf.where(better, row[:, None], state.path),
      shortest=tf.where(better, length, state.shortest))


def _visit(running: tf.Tensor, pairs: _Pairs, state: _Search) -> _Search:
  """Moves the search on to the column with the shortest path, and to the row that holds it."""
  index, lowest = _nearest_column(pairs, state)
  column = _pick(state.remaining, index)
  owner = _pick(pairs.row_of_column, column)
  last = _pick(state.remaining, state.num_remaining - 1)
  return state._replace(
      row=tf.where(running & (owner >= 0), owner, state.row),
      least=tf.where(running, lowest, state.least),
      sink=tf.where(running & (owner < 0), column, state.sink),
      seen_columns=_mark(state.seen_columns, column, running),
      remaining=_put(state.remaining, index, last, running),
      num_remaining=state.num_remaining - tf.cast(running, tf.int32))


def _nearest_column(pairs: _Pairs, state: _Search) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns the index into `remaining` of the column with the shortest path, and its length.

  SciPy takes `remaining` in order: the first of the lowest wins unless later ones as low are free;
  then the last of those wins.
  """
  c = state.remaining.shape[1]
  place = tf.range(c)[None]
  listed = place < state.num_remaining[:, None]
  lengths = tf.gather(state.shortest, state.remaining, batch_dims=1)
  lengths = tf.where(listed, lengths, tf.constant(np.inf, tf.float64))
  lowest = tf.reduce_min(lengths, axis=1)
  at_lowest = listed & (lengths == lowest[:, None])
  free = at_lowest & (tf.gather(pairs.row_of_column, state.remaining, batch_dims=1) < 0)
  last_free = tf.reduce_max(tf.where(free, place, -1), axis=1)
  first = tf.reduce_min(tf.where(at_lowest, place, c - 1), axis=1)
  index = tf.where(last_free >= 0, last_free, first)
  return index, lowest


def _augment(row: tf.Tensor, active: tf.Tensor, found: _Search, pairs: _Pairs) -> _Pairs:
  """Walks the found paths back to `row` and reassigns their columns."""
  def unfinished(column, walking, *_):
    del column
    return tf.reduce_any(walking)

  def step(column, walking, column_of_row, row_of_column):
    before = _pick(found.path, column)
    row_of_column = _put(row_of_column, column, before, walking)
    next_column = tf.where(walking, _pick(column_of_row, before), column)
    column_of_row = _put(column_of_row, before, column, walking)
    return next_column, walking & (before != row), column_of_row, row_of_column

  state = (found.sink, active, pairs.column_of_row, pairs.row_of_column)
  _, _, column_of_row, row_of_column = tf.while_loop(unfinished, step, state)
  return pairs._replace(column_of_row=column_of_row, row_of_column=row_of_column)
