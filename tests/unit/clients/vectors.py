"""Reads `tests/vectors` and plays a scenario to the Python machine."""

import json
from pathlib import Path
from typing import Any

from bellhop_client.actions import (
    Action,
    Close,
    Emit,
    Lost,
    Position,
    Retry,
    Save,
    Send,
    Settle,
    Show,
    Stop,
)
from bellhop_client.protocol import Protocol
from bellhop_client.tuning import Tuning

VECTORS = Path(__file__).parents[2] / "vectors"


def scenarios() -> list[tuple[str, dict[str, Any]]]:
    """All of them, as (file/name, scenario)."""
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        found += [(f"{path.stem}/{scenario['name']}", scenario) for scenario in document["scenarios"]]
    return found


class Player:
    """Plays the steps of one scenario and notes what the machine does."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.protocol = Protocol(
            Position.of(scenario["stored"]),
            tuning=Tuning(**scenario.get("tuning", {})),
            renews=scenario.get("renews", True),
        )
        self.now = 0.0

    def play(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        """One step; returns what came out, in the words of the vectors."""
        self.now = float(step.get("at", self.now))
        out: list[dict[str, Any]] = []
        todo = self._do(step["do"])
        while todo:
            action = todo.pop(0)
            out.append(noted(action))
            if isinstance(action, Show | Lost):
                fails = step.get("handler") == "fails"
                todo += self.protocol.failed(self.now, "boom") if fails else self.protocol.done(self.now)
        return out

    def _do(self, what: dict[str, Any]) -> list[Action]:
        match what:
            case {"connect": True}:
                return self.protocol.connect(self.now)
            case {"frame": frame}:
                self.protocol.heard(self.now)
                return self.protocol.receive(frame, self.now)
            case {"tick": True}:
                return self.protocol.tick(self.now)
            case {"closed": {"code": code, "reason": reason, "jitter": jitter}}:
                return self.protocol.closed(self.now, code, reason, jitter=jitter)
            case {"leave": True}:
                return self.protocol.leave()
            case {"request": {"kind": kind, **fields}}:
                return self.protocol.request(kind, fields, self.now)[1]
        raise ValueError(f"a step that nobody knows: {what}")


def noted(action: Action) -> dict[str, Any]:  # noqa: PLR0911 - one per kind of action
    """An action in the words of the vectors."""
    match action:
        case Send(frame):
            return {"send": frame}
        case Show(frame):
            return {"show": frame["id"]}
        case Lost(reason, position):
            return {"lost": reason, "position": position.as_dict()}
        case Save(position, replace):
            return {"save": position.as_dict(), **({"replace": True} if replace else {})}
        case Emit(event, payload):
            return {"emit": [event, payload]}
        case Settle(ref, result, error):
            return {"settle": ref, **({"error": error} if error is not None else {"result": result})}
        case Close(code, reason):
            return {"close": [code, reason]}
        case Retry(delay, renew):
            return {"retry": delay, "renew": renew}
        case Stop(code, reason):
            return {"stop": [code, reason]}
