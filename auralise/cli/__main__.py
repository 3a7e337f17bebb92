"""``python -m auralise.cli``, where the command ``auralise`` is not on the path."""

import sys

from auralise.cli.main import main

sys.exit(main())
