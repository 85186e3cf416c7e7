"""The task Edit, and its run."""
