"""The EdgeConnect paper: losses and stages; configs, data, the trainer and its loop, the run folder."""
