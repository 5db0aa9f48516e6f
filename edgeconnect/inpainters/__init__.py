"""Everything that fills a hole, `(photo, mask) -> photo`, and the registry that finds it by name."""
