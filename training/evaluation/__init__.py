"""A model measured by what it is used for: `python -m training.evaluation`."""
