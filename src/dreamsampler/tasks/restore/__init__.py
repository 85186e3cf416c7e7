"""The task Restore, and its run."""
