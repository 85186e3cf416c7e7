"""The task Vectorize, and its run."""
