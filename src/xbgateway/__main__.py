"""``python -m xbgateway`` is the command line."""

from xbgateway.cli import main

if __name__ == "__main__":
    main()
