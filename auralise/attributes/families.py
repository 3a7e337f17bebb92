"""Networks of one architecture, trained and untrained: what can be held against each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from auralise.networks.names import INPUT, UNTRAINED, variant_of


@dataclass(frozen=True)
class Family:
    """The rows of the networks that share untrained controls, and of the input.

    Attributes
    ----------
    control : str
        The variant of the controls, in the tables of all networks.
    table : DataFrame
        In which the controls are called as those of the first network are.
    """

    control: str
    table: pd.DataFrame

    def named(self, found: pd.DataFrame) -> pd.DataFrame:
        """A table made of this one, with the controls' own names in ``network``."""
        if "network" not in found:
            return found
        names = found["network"].map(lambda name: _rename(name, UNTRAINED, self.control))
        return found.assign(network=names)


def split_families(table: pd.DataFrame, controls: Mapping[str, str]) -> Iterator[Family]:
    """The families among networks.

    Parameters
    ----------
    table : DataFrame
        As `auralise.attributes.correlation.correlate_attributes` returns it, of all networks.
    controls : mapping of str to str
        The variant of the controls of each variant, as `names.controls_variant` calls it; variants
        without controls of their own stand beside those of the first.
    """
    variants = table["network"].map(variant_of)
    control_of = {control: control for control in controls.values()} | dict(controls)
    families = variants.map(lambda variant: control_of.get(variant, UNTRAINED))
    for control in dict.fromkeys(families[variants != INPUT]):
        rows = table[(families == control) | (variants == INPUT)]
        names = rows["network"].map(lambda name, own=control: _rename(name, own, UNTRAINED))
        yield Family(control, rows.assign(network=names))


def _rename(network: str, variant: str, to: str) -> str:
    is_of = variant_of(network) == variant
    return f"{to}{network.removeprefix(variant)}" if is_of else network
