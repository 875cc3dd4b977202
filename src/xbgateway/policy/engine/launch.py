"""Where the program lies that bounds a child's memory and ends it with its parent."""

from pathlib import Path

LAUNCH = Path(__file__).with_name("_launch.py")
