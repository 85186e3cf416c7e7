"""Published methods, each a few lines on the one loop; `registry` has them by their names."""
