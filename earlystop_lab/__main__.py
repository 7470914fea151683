"""``python -m earlystop_lab`` is ``earlystop``."""

from earlystop_lab.cli import main

if __name__ == "__main__":
    main()
