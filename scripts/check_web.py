"""Check web/: types, style and unit tests, with the tools that its lock file lists."""

import subprocess
import sys

from scripts.build_web import WEB, BuildError, install_packages, node_environment

CHECKS = ("check", "test")


def main() -> int:
    """Run the checks and return the exit code."""
    try:
        environment = node_environment()
        install_packages(environment, development=True)
    except BuildError as error:
        print(f"web/ is not checked: {error}")
        return 1
    for name in CHECKS:
        finished = subprocess.run(["npm", "run", "--silent", name], cwd=WEB, env=environment, check=False)
        if finished.returncode:
            return finished.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
