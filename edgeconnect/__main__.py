"""`python -m edgeconnect` is the same as the command `edgeconnect`."""

from edgeconnect.cli import main

if __name__ == "__main__":  # worker processes import this module too
    main()
