"""The judge of likeness (`benchmarks/judge.py`): its pictures, its trainer, its figures."""
