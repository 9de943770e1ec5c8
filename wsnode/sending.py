"""The last step of the hot path: one raw send to a connection that is in step.

Rule A. A function of its own because half of the work of a delivery is this call: nothing stands between it and the
kernel except the question whether earlier bytes still wait.
"""

from wsnode.ports import Peer


def send(peer: Peer, data: bytes) -> bool:
    """Send ready frames; True if the kernel took all of them, else the rest waits in the connection's outbox."""
    if peer.outbox is not None:
        peer.write_rest(data, 0)
        return False
    try:
        sent = peer.send(data)
    except BlockingIOError:
        sent = 0
    except OSError as error:
        peer.lost(error.strerror or type(error).__name__)
        return False
    if sent == len(data):
        return True
    peer.write_rest(data, sent)
    return False
