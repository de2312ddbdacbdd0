"""The way back: zib 2020 in R4 as zib 2017 in STU3."""

from profiles.conversion.back.convert import convert_back

__all__ = ["convert_back"]
