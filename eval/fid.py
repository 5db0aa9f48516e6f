"""Fréchet Inception distance between folders or kept statistics: `python -m eval.fid --help`."""

from edgeconnect.evaluation.fid import main

if __name__ == "__main__":
    main()
