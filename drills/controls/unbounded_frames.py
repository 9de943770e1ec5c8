"""A node whose parser believes every frame: no bounds, no checks, and a message may take for ever."""

from wsnode.frame_parser import FrameParser
from wsnode.net import Net
from wsnode.transport import Transport


def _believing(_: Net) -> FrameParser:
    return FrameParser(size_max=1 << 64, fragments_max=1 << 32)


def _nothing(*_: object) -> None:
    pass


setattr(Net, "parser", _believing)  # noqa: B010  # that is the control
setattr(FrameParser, "_check_head", _nothing)  # noqa: B010
setattr(Transport, "message_too_late", _nothing)  # noqa: B010

from wsnode.app import app  # noqa: E402  # after the change, because importing it builds the node

__all__ = ["app"]
