"""The run that ships, on a machine with a GPU and nothing else."""
