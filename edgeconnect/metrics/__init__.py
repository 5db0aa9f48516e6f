"""Scores of pictures: pixels, networks' features, distributions of patches, intervals."""
