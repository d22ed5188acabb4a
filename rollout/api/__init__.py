"""REST: resources are read, acts are posted."""
