"""The last step of the hot path: one raw send to a connection that is in step.

Rule A. A function of its own because half of the work of a delivery is this call: nothing stands between it and the
kernel except the question whether earlier bytes still wait.
"""

from wsnode.ports import Peer


def send(peer: Peer, data: bytes) -> None:
    """Send ready frames; what the kernel does not take waits in the connection's outbox."""
    if peer.outbox is not None:
        peer.write_rest(data, 0)
        return
    try:
        sent = peer.send(data)
    except BlockingIOError:
        sent = 0
    except OSError as error:
        peer.lost(error.strerror or type(error).__name__)
        return
    if sent != len(data):
        peer.write_rest(data, sent)
