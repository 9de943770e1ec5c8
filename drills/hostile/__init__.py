"""What clients may do to a node: frame bombs, floods of fragments, slow handshakes, readers that never read."""
