"""How frames look on a connection, and what a client's text means: one file each, in the shape of `dialect`. Pure."""
