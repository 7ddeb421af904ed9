"""`python -m scscope`: the same as the command `scscope`."""

import sys

from scscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
