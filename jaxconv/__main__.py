"""`python -m jaxconv`: see `jaxconv.cli`."""

import sys

from jaxconv.cli import main
from jaxconv.cli.streams import leave_stdout

if __name__ == "__main__":
    status = main()
    leave_stdout()  # to what still prints when the process ends, so that a report in JSON stays JSON
    sys.exit(status)
