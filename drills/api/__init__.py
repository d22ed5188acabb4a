"""REST: incidents and the matrix are read, acts are posted."""
