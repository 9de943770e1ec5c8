"""The quick set: which drills run with every `make test`, and which of their controls.

Chosen by what they would catch, and so few that they end within three minutes: a worker's death, a restart of Redis,
lost messages, a dead node.
One control is among them, because a frame that no longer sees a loss is the worst that could go unnoticed.
"""

QUICK: dict[str, tuple[str, ...]] = {"D1": ("no reconciler",), "D3": (), "D10": (), "D12": ()}
"""Name of the drill to names of its controls."""
