"""What this project takes for an image: 8 bits per channel."""

from PIL import Image

TOO_DEEP = 'has more than 8 bits per pixel in gray, whose range nothing tells; convert it to 8 bits'


def is_deep(image: Image.Image) -> bool:
  """Whether it is gray of 16 or 32 bits or of floats, which Pillow would clip at 255 without a word."""
  return image.mode.startswith(('I', 'F'))
