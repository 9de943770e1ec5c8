"""Which epoch the connections of an app follow: all the same one, the one that this node takes frames of.

Rule S. A frame carries its epoch once for all its receivers, so the hot path compares it with the room's and never with
a session's: nobody may stay in the room who follows another.
"""

from shared.protocol.close_codes import CloseCode
from wsnode.hub import Room
from wsnode.ports import Peer
from wsnode.session import NEW_EPOCH


def follow(room: Room[Peer], epoch: str) -> None:
    """The streams of this app have this epoch now; whoever follows another one is sent away, and comes back to it.

    So is whoever is being registered: what was held for it meanwhile may be of the epoch before.
    """
    before, room.epoch = room.epoch, epoch
    if before in ("", epoch):
        return
    for peer in list(room.connections.values()):
        if peer.open and peer.session.epoch != epoch:
            peer.leave(CloseCode.POSITION_LOST, NEW_EPOCH)
