"""`python -m dreamsampler` is the command line."""

import sys

from dreamsampler.interfaces.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
