"""Editing methods, one file each; `entries` lists them."""
