"""Photos x holes x inpainters, timed, scored and shown: `python -m eval.benchmark --help`."""

from edgeconnect.evaluation.benchmark import main

if __name__ == "__main__":
    main()
