"""Interfaces: command line, studio, batch, ComfyUI and pipelines, each over the same tasks."""
