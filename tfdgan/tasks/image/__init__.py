"""Images, and points of the plane."""
