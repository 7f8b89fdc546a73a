"""Vectors in one tensor on a device, changed in place and searched exactly. Imported only when such an index is opened."""
