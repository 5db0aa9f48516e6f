"""Edge maps: Canny, other detectors, the files that people edit."""
