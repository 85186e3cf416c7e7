"""The autoencoder: its pictures, its network, its trainer, its figures."""
