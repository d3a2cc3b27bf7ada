"""Kills, full disks, damaged and hostile files: `python -m tests.faults`."""

import os

# Before TensorFlow is loaded: its remarks would be mixed with what the campaign prints.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
