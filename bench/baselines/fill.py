"""Fill the queue of the naive worker: `python -m bench.baselines.fill`, NAIVE_COUNT tasks by plain `apply_async`."""

import os
import uuid

from bench.baselines.naive_tasks import deliver

_USERS = 1000


def main() -> None:
    """Enqueue one task per notification."""
    data = {"t": 1, "pad": "x" * 183}
    for i in range(int(os.environ["NAIVE_COUNT"])):
        notification = {
            "id": str(uuid.uuid4()),
            "to": {"users": [f"u{i % _USERS}"]},
            "event": "bench",
            "data": data,
        }
        deliver.apply_async(args=(notification,))


if __name__ == "__main__":
    main()
