"""How large the numbers of an experiment may be.

A limit is where nothing beyond it can work, on any machine: what TensorFlow or the format of the
records can count, or far more than any published model has. What one machine can hold is checked
where the machine is known (`training.memory`). Imports no TensorFlow.
"""

INT32 = 2**31 - 1  # steps and seeds are 32-bit integers
SIDE = 32768  # pixels; a square image of that side has 2^30, which 32-bit indices can count
IMAGES = 65536  # of a batch
SEGMENTS = 65535  # id maps hold 16 bits, and 0 is background
PLANES = 1024  # id maps per image
WIDTH = 16384  # channels
FEEDFORWARD = 65536  # channels; with WIDTH, a matrix of 2^30 values
LAYERS = 256  # of a decoder, an encoder or a stage
HEADS = 1024
POINTS = 256  # that an attention head samples in each level
WINDOW = 32  # tokens; the attention of one window has WINDOW^4 values per head: a million
QUERIES = 65536
LOSS_POINTS = 2**20  # per mask
WEIGHT = 1e6  # of losses, costs and rates; their products stay far below float32's 3e38
NORM = 1e30  # of a gradient; a norm that no gradient reaches turns the clipping off
LIST = 1000  # numbers
PATH = 4096  # characters
DEVICES = 4096
SMALLEST = 1.2e-38  # the smallest normal float32; what is smaller becomes 0
NEARLY_ONE = 0.999999  # float32 has few values between this and 1
