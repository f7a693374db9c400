"""`python -m memfactory_core` is the command line."""

from memfactory_core.cli.main import main

main()
