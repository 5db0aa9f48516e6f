"""Score results against the truth: `python -m eval.score --help`."""

from edgeconnect.evaluation.score import main

if __name__ == "__main__":
    main()
