"""Files and arrays: decoding, encoding, pairing by stem, lists of photos, atomic writes."""
