"""How the bundled model, its tokenizer, its autoencoder and the judge were made: README.md."""
