"""Run on the tests' machine: asks the gateway and prints each event as it comes."""

import json
import sys
import urllib.error
import urllib.request


def main() -> None:
    """`question.py URL MODEL`, the access token on stdin; prints the status when it is refused."""
    body = {
        "model": sys.argv[2],
        "messages": [{"role": "user", "content": "Say yes."}],
        "stream": True,
    }
    asked = urllib.request.Request(  # noqa: S310  # an address of the tests' own
        f"{sys.argv[1]}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {sys.stdin.read().strip()}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310  # as above
            for line in answer:
                if line.strip():
                    print(line.decode().strip(), flush=True)
    except urllib.error.HTTPError as refusal:
        print(refusal.code, refusal.read().decode())


if __name__ == "__main__":
    main()
