"""Whether every model answers: `python3 -IS health.py STATE_FILE`, for a container's health check.

The watches ask the models themselves, a real token included, and write down what they saw; this
reads it. It runs every few seconds, so it imports nothing of ours and nothing large.
"""

import json
import sys
from pathlib import Path

NOT_READY = 1


def unready(state: Path) -> list[str]:
    """A sentence for each model that does not answer; one for a state that cannot be read."""
    try:
        models = json.loads(state.read_bytes())["models"]
        return [
            f"{model['ref']} is {model['state']}: {model['reason'] or 'not yet ready.'}"
            for model in models
            if model["state"] != "ready"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return ["There is no readable state of the models yet."]


def main() -> int:
    """Prints what is not ready; 0 when nothing is."""
    problems = unready(Path(sys.argv[1]))
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return NOT_READY if problems else 0


if __name__ == "__main__":
    sys.exit(main())
