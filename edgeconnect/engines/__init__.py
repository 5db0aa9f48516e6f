"""The same work for many items: in this process, in several of this machine, or on a Ray cluster."""
