"""The task Inpaint, and its run."""
