"""Conversion between releases: zib 2017 in STU3 becomes zib 2020 in R4, with a list of all that was lost or assumed."""

from profiles.conversion.convert import Converted, convert
from profiles.conversion.losses import Loss

__all__ = ["Converted", "Loss", "convert"]
