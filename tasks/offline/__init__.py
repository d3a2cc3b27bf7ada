"""Scores of predictions in files, of any program, without a model."""
