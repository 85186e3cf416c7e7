"""Pictures in and out: decoded, fitted to a model, put together again and written whole."""
