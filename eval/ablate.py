"""What a model's edges are worth: `python -m eval.ablate --help`."""

from edgeconnect.evaluation.ablate import main

if __name__ == "__main__":
    main()
