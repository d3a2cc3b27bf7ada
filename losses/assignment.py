"""Bipartite assignment of queries to targets: two solvers, one contract, the same answer, ties too.

Both follow SciPy's `linear_sum_assignment` (Crouse, shortest augmenting paths): the host solver calls it, the
graph solver repeats its steps, tie rule included, batched over all problems and without leaving the graph.
"""

import numpy as np
import scipy.optimize
import tensorflow as tf

# What a cost that is not finite is replaced by: larger than real ones, small enough to add up in float32.
# Such a step has a non-finite loss too, which the trainer's guard names and skips.
LARGE = 1e6


def assign(cost: tf.Tensor, valid: tf.Tensor, in_graph: bool) -> tf.Tensor:
  """Finds the pairs with the least total cost, in every layer and image.

  Args:
    cost: float32 [layers, batch, queries, segments]; NaN and infinities count as `LARGE`.
    valid: bool [batch, segments], true ones first.
    in_graph: solve in the graph (compiles under XLA) instead of with SciPy on the host.

  Returns:
    int32 [layers, batch, segments]: the query of each segment, -1 where it is not valid or, with more valid
    segments than queries, left over.
  """
  cost = tf.where(tf.math.is_finite(cost), cost, LARGE)
  layers, batch = tf.shape(cost)[0], tf.shape(cost)[1]
  counts = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
  if in_graph:
    queries, segments = cost.shape[2], cost.shape[3]
    problems = tf.reshape(cost, [layers * batch, queries, segments])
    flat = _solve_in_graph(tf.cast(problems, tf.float64), tf.tile(counts, [layers]))
    return tf.reshape(flat, [layers, batch, segments])
  result = tf.numpy_function(_solve_on_host, [cost, counts], tf.int32)
  result.set_shape([cost.shape[0], cost.shape[1], cost.shape[3]])
  return result


def _solve_on_host(cost: np.ndarray, counts: np.ndarray) -> np.ndarray:
  """SciPy's answer for [layers, batch, queries, segments] with `counts` [batch] valid segments."""
  layers, batch, _, segments = cost.shape
  result = np.full([layers, batch, segments], -1, np.int32)
  for layer in range(layers):
    for b in range(batch):
      queries, targets = scipy.optimize.linear_sum_assignment(cost[layer, b, :, :counts[b]])
      result[layer, b, targets] = queries
  return result


def _solve_in_graph(cost: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
  """The same for float64 [problems, queries, segments], counts [problems] -> int32 [problems, segments]."""
  queries, segments = cost.shape[1], cost.shape[2]
  by_target = tf.transpose(cost, [0, 2, 1])
  targets_are_rows = counts < queries  # SciPy transposes where there are fewer columns than rows
  if segments < queries:
    rows, columns, matrix = counts, tf.fill(tf.shape(counts), queries), by_target
  else:
    side = max(queries, segments)
    pad = lambda m: tf.pad(m, [[0, 0], [0, side - m.shape[1]], [0, side - m.shape[2]]])
    matrix = tf.where(targets_are_rows[:, None, None], pad(by_target), pad(cost))
    rows = tf.minimum(counts, queries)
    columns = tf.maximum(counts, queries)
  column_of_row, row_of_column = _shortest_augmenting_paths(matrix, rows, columns)
  if segments < queries:
    return column_of_row
  return tf.where(targets_are_rows[:, None], column_of_row, row_of_column)[:, :segments]


def _pick(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
  """values[p, index[p]] of [problems, n] and [problems]; a negative index gives any entry."""
  return tf.gather(values, tf.maximum(index, 0), batch_dims=1)


def _put(values: tf.Tensor, index: tf.Tensor, new: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
  """Copy of `values` with values[p, index[p]] = new[p] in the problems with where[p]."""
  here = (tf.range(tf.shape(values)[1])[None] == index[:, None]) & where[:, None]
  return tf.where(here, tf.cast(new, values.dtype)[:, None], values)


def _shortest_augmenting_paths(cost, rows, columns):
  """Crouse's algorithm on a batch.

  Args:
    cost: float64 [problems, r, c].
    rows: int32 [problems], rows in use; at most `columns`.
    columns: int32 [problems], columns in use.

  Returns:
    (column of each row [problems, r], row of each column [problems, c]), -1 where there is none.
  """
  num_problems, r, c = tf.shape(cost)[0], cost.shape[1], cost.shape[2]
  def body(row, u, v, column_of_row, row_of_column):
    active = row < rows
    path, shortest, seen_rows, seen_columns, least, sink = _search(
        cost, row, active, columns, u, v, row_of_column)
    # The dual variables of what the search has seen.
    this_row = (tf.range(r) == row)[None]
    distance = tf.gather(shortest, tf.maximum(column_of_row, 0), batch_dims=1)
    gain = tf.where(this_row, least[:, None], least[:, None] - distance)
    u = tf.where(active[:, None] & seen_rows, u + gain, u)
    v = tf.where(active[:, None] & seen_columns, v - (least[:, None] - shortest), v)
    column_of_row, row_of_column = _augment(row, active, sink, path, column_of_row, row_of_column)
    return row + 1, u, v, column_of_row, row_of_column
  state = (tf.constant(0), tf.zeros([num_problems, r], tf.float64), tf.zeros([num_problems, c], tf.float64),
           tf.fill([num_problems, r], -1), tf.fill([num_problems, c], -1))
  last_row = tf.reduce_max(rows)
  _, _, _, column_of_row, row_of_column = tf.while_loop(lambda row, *_: row < last_row, body, state)
  return column_of_row, row_of_column


def _search(cost, row, active, columns, u, v, row_of_column):
  """Finds the shortest path from `row` to a free column in every active problem."""
  num_problems, r, c = tf.shape(cost)[0], cost.shape[1], cost.shape[2]
  place = tf.range(c)[None]
  infinity = tf.constant(np.inf, tf.float64)

  def body(i, least, sink, shortest, path, seen_rows, seen_columns, remaining, num_remaining):
    running = active & (sink < 0)
    seen_rows = _put(seen_rows, i, tf.ones_like(running), running)
    reach = least[:, None] + tf.gather(cost, i, batch_dims=1) - _pick(u, i)[:, None] - v
    better = running[:, None] & ~seen_columns & (place < columns[:, None]) & (reach < shortest)
    path = tf.where(better, i[:, None], path)
    shortest = tf.where(better, reach, shortest)
    # SciPy walks `remaining` in order: the first of the lowest wins unless later ones as low are free; the
    # last of those wins then.
    listed = place < num_remaining[:, None]
    values = tf.where(listed, tf.gather(shortest, remaining, batch_dims=1), infinity)
    lowest = tf.reduce_min(values, axis=1)
    at_lowest = listed & (values == lowest[:, None])
    free = at_lowest & (tf.gather(row_of_column, remaining, batch_dims=1) < 0)
    last_free = tf.reduce_max(tf.where(free, place, -1), axis=1)
    first = tf.reduce_min(tf.where(at_lowest, place, c - 1), axis=1)
    index = tf.where(last_free >= 0, last_free, first)
    j = _pick(remaining, index)
    owner = _pick(row_of_column, j)
    least = tf.where(running, lowest, least)
    sink = tf.where(running & (owner < 0), j, sink)
    i = tf.where(running & (owner >= 0), owner, i)
    seen_columns = _put(seen_columns, j, tf.ones_like(running), running)
    remaining = _put(remaining, index, _pick(remaining, num_remaining - 1), running)
    num_remaining = num_remaining - tf.cast(running, tf.int32)
    return i, least, sink, shortest, path, seen_rows, seen_columns, remaining, num_remaining

  state = (
      tf.fill([num_problems], row), tf.zeros([num_problems], tf.float64), tf.fill([num_problems], -1),
      tf.fill([num_problems, c], infinity), tf.fill([num_problems, c], -1),
      tf.fill([num_problems, r], False), tf.fill([num_problems, c], False),
      tf.maximum(columns[:, None] - 1 - place, 0), columns)
  _, least, sink, shortest, path, seen_rows, seen_columns, _, _ = tf.while_loop(
      lambda i, least, sink, *_: tf.reduce_any(active & (sink < 0)), body, state)
  return path, shortest, seen_rows, seen_columns, least, sink


def _augment(row, active, sink, path, column_of_row, row_of_column):
  """Walks the found paths back to `row` and re-assigns their columns."""
  def body(j, walking, column_of_row, row_of_column):
    i = _pick(path, j)
    row_of_column = _put(row_of_column, j, i, walking)
    next_j = _pick(column_of_row, i)
    column_of_row = _put(column_of_row, i, j, walking)
    return tf.where(walking, next_j, j), walking & (i != row), column_of_row, row_of_column
  _, _, column_of_row, row_of_column = tf.while_loop(
      lambda j, walking, *_: tf.reduce_any(walking), body, (sink, active, column_of_row, row_of_column))
  return column_of_row, row_of_column
