"""``python -m auralise.experiment``: Snakemake, which can print stages with ``--logger stages``."""

from snakemake.cli import main
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from auralise.experiment import stages

LoggerPluginRegistry().register_plugin("stages", stages)
main()
