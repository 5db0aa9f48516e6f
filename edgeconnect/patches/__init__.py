"""A photo's own patches: matching, filling, redrawing. No networks."""
