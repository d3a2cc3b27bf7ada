"""Tables as LevelDB writes them are read; any other bytes are refused."""

import contextlib
import random

import pytest

from tests.tf_maskformer import forged
from tf_maskformer import sorted_tables

ROWS = [(b'', b'header'), (b'a', b'1'), (b'ab', b'2' * 200), (b'b', b'')]


def test_checksum_of_the_specification():
  """CRC-32C of RFC 3720, B.4: 32 zeros, and 0 to 31."""
  for data, crc in ((bytes(32), 0x8a9136aa), (bytes(range(32)), 0x46dd794e)):
    masked = ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff
    assert sorted_tables.masked_crc(data) == masked


def test_a_table_is_read():
  assert sorted_tables.read(forged.table(ROWS)) == ROWS
  assert not sorted_tables.read(forged.table([]))


@pytest.mark.parametrize('rows', [ROWS[::-1], [*ROWS, ROWS[-1]], [(b'x' * 3000, b'')]])
def test_keys_that_no_writer_leaves(rows):
  with pytest.raises(sorted_tables.Damaged, match='do not ascend|too long'):
    sorted_tables.read(forged.table(rows))


def test_every_cut_and_every_flipped_bit_is_found():
  data = forged.table(ROWS)
  for end in range(len(data)):
    with pytest.raises(sorted_tables.Damaged):
      sorted_tables.read(data[:end])
  rng = random.Random(0)
  for _ in range(300):
    changed = bytearray(data)
    changed[rng.randrange(len(data) - 48)] ^= 1 << rng.randrange(8)
    with contextlib.suppress(sorted_tables.Damaged):
      assert sorted_tables.read(bytes(changed)) == ROWS  # a block that nobody reads


def test_a_block_is_not_read_twice():
  """Rows of the index that all name one block would make a small file a large list."""
  block = forged.sealed(forged.raw_block([(b'a', b'1')]))
  where = forged.handle(0, len(block) - 5)
  index = forged.sealed(forged.raw_block([(b'a', where), (b'b', where)]))
  footer = forged.footer(forged.handle(0, len(block) - 5)
                         + forged.handle(len(block), len(index) - 5))
  with pytest.raises(sorted_tables.Damaged, match='blocks of its index overlap'):
    sorted_tables.read(block + index + footer)


@pytest.mark.parametrize('seed', range(4))
def test_changes_under_right_checksums_never_raise_anything_else(seed):
  rng = random.Random(seed)
  refused = 0
  for _ in range(300):
    try:
      sorted_tables.read(forged.table(ROWS, rng))
    except sorted_tables.Damaged:
      refused += 1
  assert refused > 100
