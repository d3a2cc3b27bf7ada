"""A small mistake that can be planted in a source file."""

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Mutation:
  """A mistake: in `file`, `right` becomes `wrong`; one of `tests` must fail.

  Attributes:
    name: of the mistake.
    file: path below the root.
    right: text that the file has exactly once.
    wrong: what replaces it.
    tests: arguments of pytest.
  """
  name: str
  file: str
  right: str
  wrong: str
  tests: str

  def text(self, root: pathlib.Path = ROOT) -> str:
    """Returns the file with the mistake in it.

    Raises:
      ValueError: the text to replace does not occur exactly once.
    """
    content = (root / self.file).read_text()
    count = content.count(self.right)
    if count != 1:
      raise ValueError(f'{self.name}: {self.file} has {self.right!r} {count} times, not once')
    return content.replace(self.right, self.wrong)
