"""`python3 -m install …`: checks the Python it runs on, then hands over to the bootstrap.

The syntax of this file stays plain, so that an old Python reads it far enough to say what is wrong.
"""

import platform
import sys

if __name__ == "__main__":
    if sys.version_info[:2] != (3, 11):
        sys.stderr.write(
            "casemate: Python 3.11 is needed, this is "
            + platform.python_version()
            + "; run it as `python3.11 -m install`.\n"
        )
        sys.exit(2)

    from install.bootstrap import main

    sys.exit(main(sys.argv[1:]))
