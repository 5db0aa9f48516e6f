"""Masks, (H,W) bool with True = hole: shapes, strokes, the training sampler, repair of mask files."""
