"""The command line: `python -m jaxconv certify package.module:function --shape 1,32,32,3`."""

from jaxconv.cli.run import main as main
