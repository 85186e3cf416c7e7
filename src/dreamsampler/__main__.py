"""`python -m dreamsampler` is the command line."""

import sys

from dreamsampler.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
