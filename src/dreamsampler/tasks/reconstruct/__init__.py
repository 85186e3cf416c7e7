"""The task Reconstruct, and its run."""
